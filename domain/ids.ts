/** Workflow ids are locks: each is a function of what the run is about, and is computed only here. */

export const quarantineId = (thing: string): string => `quarantine/${thing}`;

/** AWS IoT Jobs job ids: at most 64 of `[a-zA-Z0-9_-]`. `runId` is Temporal's, a UUID of 36 characters. */
export const quarantineJobId = (
  step: 'contain' | `probe-${number}` | `reprobe-${number}`,
  runId: string,
): string => `${QUARANTINE_JOB_PREFIX}${step}-${runId}`;

/** Jobs of the quarantine runbook itself, which containment must not cancel. */
export const QUARANTINE_JOB_PREFIX = 'quarantine-';
