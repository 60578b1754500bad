import type { Alarm, Severity } from '../alarm/types';

/** What a responder types into Temporal UI, or an alarm's intake passes on. Everything but `thing` and `reason` is optional. */
export interface QuarantineInput {
  thing: string;
  reason: string;
  /** A claim, for the record: Temporal UI does not tell who starts a workflow. */
  requestedBy?: string;
  severity?: Severity;
  /** Returns the whole plan and changes nothing. */
  dryRun?: boolean;
  /** Set by the intake workflow. */
  alarm?: Alarm;
  /** Set by the reconciler: take over a device that is already contained, from its containment record. */
  adopt?: boolean;
  /** Overrides of `runbooks/quarantine.yaml`, within its limits. Durations such as `30 minutes`. */
  settings?: Partial<Record<QuarantineSetting, string>>;
}

export const QUARANTINE_SETTINGS = [
  'stepTimeout',
  'approveWithin',
  'propagation',
  'proveWithin',
  'debugLogsFor',
  'holdFor',
  'probation',
] as const;
export type QuarantineSetting = (typeof QUARANTINE_SETTINGS)[number];

/** Pinned by the first, recorded step. Durations in milliseconds. */
export interface QuarantinePlan {
  thing: string;
  reason: string;
  requestedBy: string;
  severity: Severity;
  dryRun: boolean;
  adopt: boolean;
  /** A step that takes longer is tried again, such as one whose worker died. */
  stepTimeoutMs: number;
  /** Two approvers are asked for at most this long when the automatic cap is used up. */
  approveWithinMs: number;
  /** How long AWS may still act on the old policies after the Deny is attached. */
  propagationMs: number;
  /** How long to look for an observed refusal before going on as "contained by policy". */
  proveWithinMs: number;
  debugLogsForMs: number;
  holdForMs: number;
  probationMs: number;
}

/** One field that is wrong and how to mend it. */
export interface InputIssue {
  field: string;
  problem: string;
}

export interface CertificateSnapshot {
  id: string;
  arn: string;
  status: string;
  /** Policies attached to the certificate itself. */
  policies: string[];
  /** Every thing this certificate serves. */
  things: string[];
}

/** The device as it was before the first change, and what containing it takes. Restored exactly at release. */
export interface ContainmentSnapshot {
  thing: string;
  takenAt: string;
  /** Contained already, wholly or in part: what follows was read from its containment record. */
  alreadyContained: boolean;
  /** The certificates were set INACTIVE by the run that contained it. */
  escalated: boolean;
  /** Static groups the thing is directly in. */
  groups: string[];
  certificates: CertificateSnapshot[];
  /** Level of the `CLIENT_ID` log target named like the thing; null where none is set. */
  logLevel: string | null;
  /** `connectedSince` in epoch milliseconds tells one session from the next. */
  connection: { connected: boolean; connectedSince: number | null };
  /** The target and all things that share one of its certificates. */
  affectedThings: string[];
  /** Policies that allow more than the quarantine policy denies: detached while contained. */
  detach: { certificateArn: string; policy: string }[];
  /** What a responder should know, such as a client id rule that does not hold. */
  findings: string[];
  /** Why the device can't be contained as planned; empty where it can. */
  obstacles: string[];
}

/** Kept outside Temporal and the guard while a device is contained. */
export interface ContainmentRecord {
  version: 1;
  /** `quarantine/<thing>`, whoever acts. */
  workflowId: string;
  by: string;
  reason: string;
  at: string;
  breakGlass: boolean;
  /** The client's `DEBUG` level ends here (ISO 8601), whoever is still around to end it. */
  debugUntil: string;
  snapshot: ContainmentSnapshot;
}

/** Rungs of proof, each with the time it was reached (ISO 8601), null where it was not. */
export interface ContainmentProof {
  requestedAt: string;
  /** Attached documents evaluate to denied. */
  deniedByDocumentsAt: string | null;
  /** The session that was live is gone. */
  disconnectedAt: string | null;
  /** The time that AWS takes to apply policies is over, and every session that began within it was dropped. */
  propagatedAt: string | null;
  /** A refusal was seen. */
  refusalSeenAt: string | null;
  refusalSeenBy: 'iotLogs' | 'probe' | null;
}

export type ContainmentLevel = 'not contained' | 'contained by policy' | 'contained, observed';

export function containmentLevel(proof: ContainmentProof): ContainmentLevel {
  if (proof.deniedByDocumentsAt === null || proof.disconnectedAt === null) return 'not contained';
  if (proof.refusalSeenAt !== null) return 'contained, observed';
  return proof.propagatedAt === null ? 'not contained' : 'contained by policy';
}

export type QuarantinePhase =
  | 'resolving'
  | 'awaitingApproval'
  | 'containing'
  | 'proving'
  | 'holding'
  | 'overdue'
  | 'releasing'
  | 'probation'
  | 'undoing'
  | 'closed';

export type QuarantineOutcome = 'planned' | 'released' | 'refused' | 'cancelled' | 'failed';

export interface QuarantineStatus {
  thing: string;
  phase: QuarantinePhase;
  level: ContainmentLevel;
  proof: ContainmentProof | null;
  /** When the device's own agent said so; null where it never answered. */
  applicationStoppedAt: string | null;
  /** After release: when a publish of the device was seen to arrive. */
  canPublishAgainAt: string | null;
  escalated: boolean;
  alarms: number;
  /** What people decided, and what of it was refused. */
  decisions: string[];
}

export interface QuarantineResult extends QuarantineStatus {
  outcome: QuarantineOutcome;
  /** One sentence for a responder. */
  summary: string;
  /** Dry run only. */
  plan?: DryRunPlan;
}

export interface DryRunPlan {
  targets: string[];
  targetHash: string;
  changes: string[];
  awsCalls: Record<string, number>;
  estimatedMs: number;
  wouldBeGranted: boolean;
  guard: string;
  findings: string[];
  obstacles: string[];
}

export interface ReleaseRequest {
  by: string;
  reason: string;
}
export interface ExtendHoldRequest {
  by: string;
  reason: string;
  /** From now, such as `4 hours`. */
  holdFor: string;
}
export interface EscalateRequest {
  by: string;
  reason: string;
}
export interface ApproveRequest {
  token: string;
}
