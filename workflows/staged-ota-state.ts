import type {
  OutcomeCounts,
  PlanSummary,
  RolloutRef,
  RolloutSettings,
  StagedOtaPhase,
  StagedOtaStatus,
  WaveView,
} from '../domain/rollout/types';
import type { RolloutSteps } from './staged-ota-steps';
import type { CurrentWave } from './staged-ota-waves';
import { isoTime } from './time';

/** Why a rollout ends before its last wave. */
export interface Stop {
  why: string;
  /** When a threshold was crossed, or somebody asked. */
  at: string;
  /** Whether the touched devices are brought back, whatever the runbook's YAML says. */
  rollback: boolean;
}

export interface RolloutState {
  settings: RolloutSettings | null;
  plan: PlanSummary | null;
  phase: StagedOtaPhase;
  next: string;
  nextAt: string | null;
  waves: WaveView[];
  /** The child that carries a wave now. */
  wave: { kind: 'rollout' | 'rollback'; number: number } | null;
  paused: boolean;
  stop: Stop | null;
  abortedAt: string | null;
  abortAcknowledgedAt: string | null;
  /** The way back, once it is planned. */
  rollback: RolloutRef | null;
  approvers: string[];
  devices: OutcomeCounts | null;
  findings: string[];
  log: string[];
}

export interface Rollout {
  state: RolloutState;
  settings: RolloutSettings;
  steps: RolloutSteps;
  current: CurrentWave;
}

export const openRollout = (): RolloutState => ({
  settings: null,
  plan: null,
  phase: 'resolving',
  next: 'check the input',
  nextAt: null,
  waves: [],
  wave: null,
  paused: false,
  stop: null,
  abortedAt: null,
  abortAcknowledgedAt: null,
  rollback: null,
  approvers: [],
  devices: null,
  findings: [],
  log: [],
});

const MAX_LOG = 200;

/** What people decided and what happened, newest last. */
export function note(state: RolloutState, what: string): void {
  state.log.push(`${isoTime(Date.now())} ${what}`);
  if (state.log.length > MAX_LOG) state.log.shift();
}

/** The plan is there once the rollout acts. */
export function planOf({ plan }: RolloutState): PlanSummary {
  if (plan === null) throw new Error('nothing is planned yet');
  return plan;
}

export const statusOf = (state: RolloutState): StagedOtaStatus => ({
  release: state.settings?.release ?? '',
  phase: state.phase,
  next: state.nextAt === null ? state.next : `${state.next}, at ${state.nextAt}`,
  wave: state.wave?.number ?? 0,
  waves: state.waves,
  abortedAt: state.abortedAt,
  abortAcknowledgedAt: state.abortAcknowledgedAt,
  decisions: state.log,
});

export function viewOf(
  state: RolloutState,
  kind: WaveView['kind'],
  number: number,
): WaveView | undefined {
  return state.waves.find((wave) => wave.kind === kind && wave.number === number);
}

export function addWaves(state: RolloutState, kind: WaveView['kind'], plan: PlanSummary): void {
  for (const { number, size } of plan.waves)
    state.waves.push({ kind, number, size, state: 'waiting', counts: null, reasons: [] });
}
