import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { fitStatusDetails } from '../../domain/device-protocol/status-details';
import type { Backoff } from '../connection/backoff';
import type { GateAnswer } from '../operations/types';
import {
  GONE,
  JobRequestRejectedError,
  JobRequestUnansweredError,
  type JobsClient,
} from './client';
import type { JobExecution, JobUpdate } from './messages';

/** `gone`: the execution is terminal or no longer exists. `unreported`: given up for now; the journal remembers. */
export type ReportResult = 'reported' | 'gone' | 'unreported';

/** One execution as last read, with the version that the next update must expect. */
export type HeldExecution = Pick<JobExecution, 'jobId' | 'executionNumber'> & {
  version: number;
  status: string;
};

const MAX_ATTEMPTS = 5;

/** Codes that say the request itself can't be taken; sent once more without details, which alone vary. */
const MALFORMED: ReadonlySet<string> = new Set(['InvalidRequest', 'InvalidJson']);

/**
 * Moves an execution on, bounded in attempts. Each update expects the version last seen, so a late duplicate
 * never overwrites; after a mismatch or a lost answer the execution is read again, for the earlier attempt may
 * have been carried out.
 */
export async function reportStatus(
  deps: { jobs: JobsClient; retry: () => Backoff; log: Logger },
  held: HeldExecution,
  status: JobUpdate['status'],
  details: Record<string, string>,
): Promise<ReportResult> {
  const { jobId, executionNumber } = held;
  const retry = deps.retry();
  let statusDetails = fitStatusDetails(details);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const expectedVersion = held.version;
    const update = { status, statusDetails, expectedVersion, executionNumber };
    try {
      held.version = await deps.jobs.update(jobId, update);
      held.status = status;
      return 'reported';
    } catch (error) {
      deps.log.warn({ event: 'job update failed', jobId, status, attempt, reason: String(error) });
      if (error instanceof JobRequestUnansweredError && error.disconnected) return 'unreported';
      const code = error instanceof JobRequestRejectedError ? error.code : 'Unanswered';
      if (GONE.has(code)) return 'gone';
      if (MALFORMED.has(code)) statusDetails = { reason: 'details refused by the service' };
      if (code !== 'VersionMismatch') await sleep(retry.next());
    }
    const again = await readAgain(deps.jobs, held);
    if (again !== 'held') return again;
    if (status === 'IN_PROGRESS' && isInProgress(held)) return 'reported';
  }
  return 'unreported';
}

function isInProgress({ status }: HeldExecution): boolean {
  return status === 'IN_PROGRESS';
}

async function readAgain(
  jobs: JobsClient,
  held: HeldExecution,
): Promise<'held' | 'gone' | 'unreported'> {
  try {
    const current = await jobs.describe(held.jobId);
    if (current?.executionNumber !== held.executionNumber) return 'gone';
    held.version = current.versionNumber;
    held.status = current.status;
    return 'held';
  } catch (error) {
    // Only the reading failed: the next attempt finds out.
    if (error instanceof JobRequestUnansweredError && error.disconnected) return 'unreported';
    return 'held';
  }
}

/** How an execution ended that was in progress when it was last seen. */
const ENDS: Readonly<Record<string, GateAnswer>> = { CANCELED: 'cancelled', TIMED_OUT: 'timedOut' };

async function howItEnded(jobs: JobsClient, held: HeldExecution): Promise<GateAnswer> {
  try {
    const current = await jobs.describe(held.jobId);
    if (current === null) return 'deleted';
    if (current.executionNumber !== held.executionNumber) return 'superseded';
    return ENDS[current.status] ?? 'over';
  } catch {
    return 'over';
  }
}

/**
 * Passed only where the service accepted an update that expects the version last seen: nobody has cancelled the
 * execution or let it time out. An unanswered update is asked again, for only an answer counts.
 */
export async function passGate(
  deps: { jobs: JobsClient; retry: () => Backoff; log: Logger },
  held: HeldExecution,
  details: Record<string, string>,
): Promise<GateAnswer> {
  const { jobId, executionNumber } = held;
  const statusDetails = fitStatusDetails(details);
  const retry = deps.retry();
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const expectedVersion = held.version;
    const update = {
      status: 'IN_PROGRESS',
      statusDetails,
      expectedVersion,
      executionNumber,
    } as const;
    try {
      held.version = await deps.jobs.update(jobId, update);
      return 'passed';
    } catch (error) {
      deps.log.warn({ event: 'gate not passed', jobId, attempt, reason: String(error) });
      if (error instanceof JobRequestUnansweredError && error.disconnected) return 'offline';
      if (error instanceof JobRequestRejectedError && GONE.has(error.code))
        return howItEnded(deps.jobs, held);
      await sleep(retry.next());
    }
    const again = await readAgain(deps.jobs, held);
    if (again === 'unreported') return 'offline';
    if (again === 'gone' || !isInProgress(held)) return howItEnded(deps.jobs, held);
  }
  return 'unanswered';
}
