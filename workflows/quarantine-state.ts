import type { Alarm } from '../domain/alarm/types';
import type { Lease } from '../domain/guard/types';
import {
  containmentLevel,
  type ContainmentLevel,
  type ContainmentProof,
  type ContainmentSnapshot,
  type EscalateRequest,
  type ExtendHoldRequest,
  type QuarantinePhase,
  type QuarantinePlan,
  type QuarantineStatus,
  type ReleaseRequest,
} from '../domain/quarantine/types';
import type { Background } from './background';
import type { Steps } from './quarantine-steps';
import type { Undo } from './undo';

/** What one run carries through its steps. */
export interface Run {
  state: QuarantineState;
  plan: QuarantinePlan;
  steps: Steps;
  undo: Undo;
  background: Background;
}

/** A responder's decision on a held device, answered once it is carried out. */
export type Decision = {
  answer(text: string): void;
  refuse(err: Error): void;
} & (
  | { kind: 'release'; request: ReleaseRequest }
  | { kind: 'extendHold'; request: ExtendHoldRequest; holdForMs: number }
  | { kind: 'escalate'; request: EscalateRequest }
);

/** Where a run stands: what the Updates look at and what Temporal UI shows. Times are epoch milliseconds. */
export interface QuarantineState {
  /** Empty until the input is checked. */
  thing: string;
  phase: QuarantinePhase;
  /** What happens next and when, one sentence. */
  next: string;
  plan: QuarantinePlan | null;
  snapshot: ContainmentSnapshot | null;
  lease: Lease | null;
  /** What approvers sign. */
  targets: string[];
  targetHash: string;
  approvers: string[];
  /** Approvals accepted so far; rises with each. */
  approvalsHeard: number;
  /** Why the guard said no; empty while it did not. */
  refusal: string;
  proof: ContainmentProof | null;
  escalated: boolean;
  /** Some certificates may be INACTIVE, also where escalating failed half-way. */
  mayBeInactive: boolean;
  /** A release failed half-way: the next one compares with nothing. */
  partlyRestored: boolean;
  applicationStoppedAt: string | null;
  canPublishAgainAt: string | null;
  cancelledJobs: string[];
  holdUntil: number | null;
  /** Ids of alarm events received, so that a repeated one counts once. */
  alarmEvents: string[];
  /** Given back: an alarm from here on contains it again. */
  released: boolean;
  /** An alarm that came after the release. */
  relapse: Alarm | null;
  decisions: Decision[];
  /** Decisions taken so far, for the record. */
  log: string[];
}

const NOTES = 100;
const NOTE_LENGTH = 512;

/** For the record: the latest ones, since results and queries are bounded. */
export function note(state: QuarantineState, text: string): void {
  state.log.push(text.slice(0, NOTE_LENGTH));
  state.log.splice(0, state.log.length - NOTES);
}

export function leaseOf({ lease }: QuarantineState): Lease {
  if (lease === null) throw new Error('nothing acts without a lease');
  return lease;
}

export const openState = (): QuarantineState => ({
  thing: '',
  phase: 'resolving',
  next: 'check the input',
  plan: null,
  snapshot: null,
  lease: null,
  targets: [],
  targetHash: '',
  approvers: [],
  approvalsHeard: 0,
  refusal: '',
  proof: null,
  escalated: false,
  mayBeInactive: false,
  partlyRestored: false,
  applicationStoppedAt: null,
  canPublishAgainAt: null,
  cancelledJobs: [],
  holdUntil: null,
  alarmEvents: [],
  released: false,
  relapse: null,
  decisions: [],
  log: [],
});

export const statusOf = (state: QuarantineState): QuarantineStatus => ({
  thing: state.thing,
  phase: state.phase,
  level: levelOf(state),
  proof: state.proof,
  applicationStoppedAt: state.applicationStoppedAt,
  canPublishAgainAt: state.canPublishAgainAt,
  escalated: state.escalated,
  alarms: state.alarmEvents.length,
  decisions: state.log,
});

export const levelOf = ({ proof }: QuarantineState): ContainmentLevel =>
  proof === null ? 'not contained' : containmentLevel(proof);
