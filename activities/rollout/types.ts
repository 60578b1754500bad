import type {
  OutcomeCounts,
  PlanSummary,
  RolloutRef,
  RolloutSettings,
  WaveCounts,
} from '../../domain/rollout/types';

/** What the activities of a rollout answer, as history keeps it: bounded whatever the fleet. */

export interface WaveAt {
  ref: RolloutRef;
  kind: 'rollout' | 'rollback';
  wave: number;
}

export interface OpenedWave {
  /** Of the lease; acting activities pass it on. */
  fence: number;
  leased: number;
  /** Held by others, or contained. Left out of the wave. */
  skipped: { count: number; examples: string[] };
}

/** Why `carryWave` came back. It may be called again after each but `complete` and `abort`. */
export type CarryEnd =
  /** The gate lets the next wave start (after the soak). */
  | 'complete'
  /** The gate aborts. */
  | 'abort'
  /** The gate holds: nothing is dispatched. It came back so that a person sees it. */
  | 'hold'
  /** A hold is over. */
  | 'dispatching'
  /** Only to show how far it is; ever more seldom. */
  | 'progress';

export interface CarryInput extends WaveAt {
  fence: number;
  /** Calls so far: the report of progress gets rarer with it. */
  calls: number;
  /** A hold that was told is not told again. */
  holding: boolean;
  /** Pause: watch what is in flight, dispatch nothing. */
  paused: boolean;
  /** A person let it go on: a hold of the gate does not count. An abort still does. */
  overridden: boolean;
}

export interface WaveReport {
  end: CarryEnd;
  counts: WaveCounts;
  reasons: { rule: string; text: string }[];
  /** In words: what is waited for, and until when (ISO 8601) if it has an end. */
  next: string;
  nextAt: string | null;
  /** When a threshold was first crossed, where it aborts. */
  crossedAt: string | null;
}

export interface SoakInput extends WaveAt {
  /** ISO 8601: alarms since then restart the soak. */
  since: string;
  holding: boolean;
}

export interface SoakReport {
  end: 'alarm' | 'hold' | 'holdOver' | 'abort';
  reasons: { rule: string; text: string }[];
  counts: WaveCounts;
  crossedAt: string | null;
}

export interface CancelledJobs {
  /** When every execution read terminal. */
  acknowledgedAt: string;
  jobs: number;
}

export interface Settled {
  counts: OutcomeCounts;
  /** Touched devices that can go back, and run something else than they came from. */
  toRollBack: number;
  /** Sentences: how many have no signed revert, how many never said what they run. */
  findings: string[];
}

export interface ClosedRollout {
  counts: OutcomeCounts;
  list: { key: string; sha256: string };
}

export interface RolloutActivities {
  /** Local: checks and pins. Throws one non-retryable `InvalidInput` that names every field. */
  resolveRollout(request: { input: unknown; workflowId: string }): Promise<RolloutSettings>;
  /** Freezes plan and chunks in object storage. Safe to retry: the first plan written for a rollout stays. */
  planRollout(request: {
    settings: RolloutSettings;
    workflowId: string;
    firstRunId: string;
  }): Promise<PlanSummary>;
  approveRollout(request: {
    ref: RolloutRef;
    token: string;
    requestedBy: string;
  }): Promise<string[]>;
  /** Refuses where the stored plan is not the approved one or approvals are too few; leases the wave's devices. */
  openWave(at: WaveAt): Promise<OpenedWave>;
  /** Heartbeats. Dispatches within the in-flight cap and the windows, watches, retries by cause, asks the gate. */
  carryWave(input: CarryInput): Promise<WaveReport>;
  /** Heartbeats until there is something to tell; the soak's length is the workflow's timer. */
  watchSoak(input: SoakInput): Promise<SoakReport>;
  /** One measurement and verdict, at the end of a soak. */
  judgeWave(input: SoakInput): Promise<WaveReport>;
  /** Heartbeats until every execution of the rollout's jobs reads terminal. */
  cancelJobs(request: { ref: RolloutRef; why: string }): Promise<CancelledJobs>;
  /** Heartbeats until every touched device has said what it runs, or the time is over. */
  settle(request: { ref: RolloutRef; withinMs: number }): Promise<Settled>;
  /** The inverse plan, of touched devices only; null where there is none to bring back. */
  planRollback(ref: RolloutRef): Promise<PlanSummary | null>;
  page(request: { id: string; subject: string; text: string }): Promise<void>;
  /** Gives leases and groups back, writes the list of every device. Never asks the guard; idempotent. */
  closeRollout(request: { ref: RolloutRef; rollback: RolloutRef | null }): Promise<ClosedRollout>;
}
