/** A staged rollout: what is asked for, what is planned, where each device stands. Times are ISO 8601, durations milliseconds. */

/**
 * Which devices: fields are joined by AND, the values of one field by OR. At least one field must have a value: an empty
 * selector means zero devices, and there are no wildcards.
 */
export interface Selector {
  things?: string[];
  sites?: string[];
  hardware?: string[];
  groups?: string[];
  /** Firmware versions that devices report now. */
  versions?: string[];
}

/** When devices may be updated, by each device's own clock (attribute `timezone`, an IANA name; UTC without it). */
export interface Window {
  /** `HH:MM`; a window whose end is before its start goes over midnight. */
  from: string;
  to: string;
  /** The day on which the window begins; absent: every day. */
  days?: Weekday[];
}
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** What a responder types into Temporal UI. Everything but `release`, `selector` and `reason` is optional. */
export interface StagedOtaInput {
  /** A TUF target of the release repository, such as `pump/1.4.0.tar`. */
  release: string;
  selector: Selector;
  reason: string;
  /** A claim, for the record; nobody approves what they asked for. */
  requestedBy?: string;
  /** Short soak; windows do not hold, which is logged. */
  emergency?: boolean;
  /** Returns the whole plan and changes nothing. */
  dryRun?: boolean;
  /** The `contentHash` of a dry run: start only while the plan is still this one. */
  planHash?: string;
  /** Sizes such as `[5, 20, 100]`, which must sum to the devices, or shares so far such as `["max(5, 1%)", "10%", "100%"]`. */
  waves?: (number | string)[];
  window?: Window;
  /** Overrides of `runbooks/stagedOta.yaml`, within its limits. */
  settings?: Partial<Record<StagedOtaDuration, string>> & Partial<Record<StagedOtaNumber, number>>;
}

export const STAGED_OTA_DURATIONS = [
  'stepTimeout',
  'approveWithin',
  'soak',
  'emergencySoak',
  'queuedFor',
  'inProgressFor',
  'settleWithin',
  'lookEvery',
  'measureEvery',
  'noDataFor',
  'penaltyFor',
] as const;
export type StagedOtaDuration = (typeof STAGED_OTA_DURATIONS)[number];

export const STAGED_OTA_NUMBERS = [
  'inFlight',
  'minReachedPercent',
  'retriesNetwork',
  'retriesInstall',
  'penaltyFailures',
] as const;
export type StagedOtaNumber = (typeof STAGED_OTA_NUMBERS)[number];

/** Pinned by the first, recorded step. */
export interface RolloutSettings {
  release: string;
  selector: Selector;
  reason: string;
  requestedBy: string;
  emergency: boolean;
  dryRun: boolean;
  planHash: string | null;
  waves: (number | string)[];
  /** Null: at any time. */
  window: Window | null;
  /** A step that takes longer is tried again. Watches have no such limit. */
  stepTimeoutMs: number;
  approveWithinMs: number;
  /** How long each wave is watched after its last device, already chosen by `emergency`. */
  soakMs: number;
  /** From dispatch: a device that did not start by then is unreached, or silent if it was connected meanwhile. */
  queuedForMs: number;
  /** From its start: a device that did not end by then is silent, which counts as failed. */
  inProgressForMs: number;
  /** After an abort: how long touched devices have to say what they run. */
  settleWithinMs: number;
  /** Between two looks at the jobs. */
  lookEveryMs: number;
  /** Between two measurements of health, alarms and metrics. */
  measureEveryMs: number;
  /** How long the gate holds for want of data before it aborts. */
  noDataForMs: number;
  /** A device that failed so often within this time is not tried. */
  penaltyForMs: number;
  penaltyFailures: number;
  /** Devices that are between dispatch and confirmed health at once, over the whole rollout. */
  inFlight: number;
  /** Of a wave, before the next may start. */
  minReachedPercent: number;
  /** Tries after the first, by cause; a device whose health failed is not tried again. */
  retriesNetwork: number;
  retriesInstall: number;
  onAbort: 'rollback' | 'hold';
  approval: ApprovalRule;
  gate: GateRule[];
  metrics: MetricQuery[];
}

/** Above max(count, percent of the fleet) devices, or where a device could not be brought back, people must approve. */
export interface ApprovalRule {
  count: number;
  percent: number;
  approvers: number;
}

/** A rule of the gate: a CEL expression over the measurement. The first abort wins, then the first hold. */
export interface GateRule {
  name: string;
  when: string;
  then: 'abort' | 'hold';
  /** For a responder. */
  reason: string;
}

/** A CloudWatch metric by the name that rules use; no datum within `withinMs` is no data, never zero. */
export interface MetricQuery {
  name: string;
  namespace: string;
  metric: string;
  dimensions: Record<string, string>;
  statistic: 'Average' | 'Sum' | 'Minimum' | 'Maximum' | 'SampleCount';
  periodSeconds: number;
  withinMs: number;
}

/** One installation on the way: a signed target. */
export interface Hop {
  target: string;
  version: string;
  release: number;
  /** Brings a device that runs this hop back to where it came from; null where none is signed. */
  revert: { target: string; version: string; release: number } | null;
}

/** How devices of one hardware and version get to the release; more than one hop where a stepping stone is needed. */
export interface Route {
  hardware: string;
  from: string;
  hops: Hop[];
  /** Of the plan that go it, for what people are told. */
  devices?: number;
}

export interface PlannedDevice {
  thing: string;
  site: string;
  /** Index into `RolloutPlan.routes`. */
  route: number;
  /** IANA name; absent: UTC. */
  timezone?: string;
}

/** Devices of one wave in the order of dispatch, in object storage as one JSON array a chunk. */
export interface Chunk {
  key: string;
  sha256: string;
  count: number;
}

export interface PlannedWave {
  /** From 1. */
  number: number;
  size: number;
  chunks: Chunk[];
  /** Devices by `hardware/site/version`. */
  strata: Record<string, number>;
}

/** Frozen: its SHA-256 is what approvers sign, and it covers the chunks by their hashes. Kept in object storage. */
export interface RolloutPlan {
  version: 1;
  kind: 'rollout' | 'rollback';
  rolloutId: string;
  workflowId: string;
  release: { target: string; version: string; release: number; raisesEpoch: boolean };
  settings: RolloutSettings;
  routes: Route[];
  waves: PlannedWave[];
  /** Devices selected and left out, by reason, with the first few names. */
  excluded: Record<ExclusionReason, { count: number; examples: string[] }>;
  /** Devices that the selector names and the index does not have. */
  notFound?: { count: number; examples: string[] };
  /** Devices that reported this very target as confirmed and healthy before the rollout began, per hop target. */
  baseline: Record<string, number>;
  plannedAt: string;
}

export const EXCLUSION_REASONS = [
  'runsIt',
  'quarantined',
  'held',
  'penalty',
  'wrongHardware',
  'noPath',
  'unknownVersion',
] as const;
export type ExclusionReason = (typeof EXCLUSION_REASONS)[number];

/** Where a rollout's plan lies; small enough for history. */
export interface RolloutRef {
  /** 12 hex digits of workflow id and first run, so that a retry of anything finds the same jobs. */
  rolloutId: string;
  workflowId: string;
  planKey: string;
  planHash: string;
}

/** What history and a person get of a plan: bounded whatever the fleet. */
export interface PlanSummary {
  ref: RolloutRef;
  /** Of devices, waves, ways and settings: the `planHash` that a later run may insist on. */
  contentHash: string;
  devices: number;
  fleetSize: number;
  waves: { number: number; size: number; strata: Record<string, number> }[];
  excluded: Record<ExclusionReason, number>;
  routes: { hardware: string; from: string; path: string[]; devices: number }[];
  /** Sentences for a responder: no way back, raised epoch, index lag, quotas not read live. */
  findings: string[];
  /** A fix that raises the security epoch, or a device without a signed revert. */
  onlyForward: boolean;
  approversNeeded: number;
  /** Most devices that can run the release before a gate has seen the first results of a wave. */
  worstCaseAtRisk: number;
  awsCalls: Record<string, number>;
  /** At the account's quotas, without soaks and windows. */
  estimatedMs: number;
  quotas: 'live' | 'documented';
}

/** Devices of one wave by where they stand; every device is in exactly one. */
export interface WaveCounts {
  size: number;
  /** Not asked yet. */
  waiting: number;
  queued: number;
  inProgress: number;
  /** The job says so; health is not confirmed yet. */
  succeeded: number;
  /** Version and health confirmed by the device's own report. */
  confirmed: number;
  failed: number;
  /** Was connected or had started, then nothing past its deadline: counts as failed. */
  silent: number;
  /** Not connected since dispatch: outside the rate. */
  unreached: number;
  /** Held by another runbook, contained, or cancelled for one. */
  skipped: number;
}

/** What the gate looks at, all of one moment. Null is no data. */
export interface Measurement {
  at: string;
  wave: number;
  waves: number;
  /** Nothing of the wave is waiting or in flight any more. */
  complete: boolean;
  counts: WaveCounts;
  /** Devices that run the release, by the health they report. */
  updated: HealthCounts | null;
  /** Devices of the same strata that do not run it yet, weighted as the updated ones are. */
  control: HealthCounts | null;
  /** Alarms in scope that are in ALARM and were raised since the rollout began, by name. */
  alarms: string[] | null;
  /** By the names of the settings. */
  metrics: Record<string, number | null>;
  /** Why a source has no data, where that is known, by source. */
  missing?: Partial<Record<'updated' | 'control' | 'alarms' | 'metrics', string>>;
}

export interface HealthCounts {
  devices: number;
  healthy: number;
  degraded: number;
  unhealthy: number;
  /** Of them, whatever health they reported last; asked for where a rule goes by it. */
  offline?: number;
}

export type GateDecision = 'advance' | 'hold' | 'abort';
export interface GateVerdict {
  decision: GateDecision;
  /** Rule and sentence; empty only where it advances. */
  reasons: { rule: string; text: string }[];
}

/** Why an installation failed, by what the device said. */
export type FailureCause = 'network' | 'install' | 'health' | 'refused';

export const DEVICE_OUTCOMES = ['updated', 'rolledBack', 'untouched', 'needsPerson'] as const;
export type DeviceOutcome = (typeof DEVICE_OUTCOMES)[number];

/** One line of the result, in object storage. */
export interface DeviceResult {
  thing: string;
  outcome: DeviceOutcome;
  from: string;
  /** What it runs by its own word; null where it never said. */
  runs: string | null;
  why: string;
}

export type OutcomeCounts = Record<DeviceOutcome, number> & { touched: number };

export type StagedOtaPhase =
  | 'resolving'
  | 'planning'
  | 'awaitingApproval'
  | 'waiting'
  | 'dispatching'
  | 'holding'
  | 'paused'
  | 'soaking'
  | 'aborting'
  | 'settling'
  | 'rollingBack'
  | 'needsPerson'
  | 'closed';

export type StagedOtaOutcome =
  'planned' | 'completed' | 'rolledBack' | 'aborted' | 'refused' | 'cancelled' | 'failed';

export interface StagedOtaStatus {
  release: string;
  phase: StagedOtaPhase;
  /** In words, with the time where there is one. */
  next: string;
  wave: number;
  waves: WaveView[];
  abortedAt: string | null;
  abortAcknowledgedAt: string | null;
  /** What people decided, and what of it was refused. */
  decisions: string[];
}

/** A row of the table of waves. */
export interface WaveView {
  kind: 'rollout' | 'rollback';
  number: number;
  size: number;
  state: 'waiting' | 'dispatching' | 'holding' | 'paused' | 'soaking' | 'passed' | 'stopped';
  counts: WaveCounts | null;
  reasons: string[];
}

export interface StagedOtaResult extends StagedOtaStatus {
  outcome: StagedOtaOutcome;
  /** One sentence for a responder. */
  summary: string;
  devices: OutcomeCounts | null;
  /** Every device, in object storage. */
  list: { key: string; sha256: string } | null;
  plan: PlanSummary | null;
}

/** Update arguments; `by` is a claim, for the record. */
export interface SteerRequest {
  by: string;
  reason: string;
}
