/** Workflow ids are locks: each is a function of what the run is about, and is computed only here. */

export const quarantineId = (thing: string): string => `quarantine/${thing}`;

/** AWS IoT Jobs job ids: at most 64 of `[a-zA-Z0-9_-]`. `runId` is Temporal's, a UUID of 36 characters. */
export const quarantineJobId = (
  step: 'contain' | `probe-${number}` | `reprobe-${number}`,
  runId: string,
): string => `${QUARANTINE_JOB_PREFIX}${step}-${runId}`;

/** Jobs of the quarantine runbook itself, which containment must not cancel. */
export const QUARANTINE_JOB_PREFIX = 'quarantine-';

/** A rollout's lock: one at a time for a release. `release` is a TUF target. */
export const stagedOtaId = (release: string): string => `ota/${release}`;

/** One wave of a rollout or of its rollback. */
export const otaWaveId = (rolloutId: string, kind: 'rollout' | 'rollback', wave: number): string =>
  `ota-wave/${rolloutId}/${kind}/${wave}`;

/** `batch` counts all jobs of the wave, retries and later hops included. Below AWS's 64 characters. */
export const rolloutJobId = (
  rolloutId: string,
  kind: 'rollout' | 'rollback',
  wave: number,
  batch: number,
): string => `${ROLLOUT_JOB_PREFIX}${rolloutId}-${kind === 'rollout' ? 'w' : 'r'}${wave}-b${batch}`;

export const ROLLOUT_JOB_PREFIX = 'ota-';

/** One collection of evidence; `n` counts those of the thing. */
export const logsId = (thing: string, n: number): string => `logs/${thing}/${n}`;

/** Containment leaves these alone: evidence is collected from contained devices. `runId` is Temporal's. */
export const logsJobId = (runId: string, attempt: number): string =>
  `${LOGS_JOB_PREFIX}${runId}-${attempt}`;

export const LOGS_JOB_PREFIX = 'logs-';
