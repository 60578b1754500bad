import type { JobDocument } from '../../domain/device-protocol/job-document';
import { LOGS_JOB_PREFIX, QUARANTINE_JOB_PREFIX } from '../../domain/ids';
import { thingArn, type ContainmentDeps } from './deps';

export interface SendJobInput {
  thing: string;
  /** Picked by the workflow, so a retry finds its own earlier attempt. */
  jobId: string;
  document: JobDocument;
}

export async function sendJob(deps: ContainmentDeps, input: SendJobInput): Promise<void> {
  await deps.jobs.create(input.jobId, thingArn(deps, input.thing), input.document);
}

/**
 * Cancels every execution of the thing, IN_PROGRESS included, and returns their job ids; but for the quarantine's own and
 * those that collect evidence, which a contained device may still give. Safe to retry: an execution that is cancelled
 * already is no longer pending.
 */
export const cancelOtherJobs = (deps: ContainmentDeps, thing: string): Promise<string[]> =>
  cancelJobs(
    deps,
    thing,
    (jobId) => !jobId.startsWith(QUARANTINE_JOB_PREFIX) && !jobId.startsWith(LOGS_JOB_PREFIX),
  );

/** A device that was offline must not find a `contain` or a probe once it is given back; `but` is the job that gives it back. */
export const cancelQuarantineJobs = (
  deps: ContainmentDeps,
  thing: string,
  but: string | null,
): Promise<string[]> =>
  cancelJobs(deps, thing, (jobId) => jobId.startsWith(QUARANTINE_JOB_PREFIX) && jobId !== but);

async function cancelJobs(
  deps: ContainmentDeps,
  thing: string,
  which: (jobId: string) => boolean,
): Promise<string[]> {
  const jobIds = (await deps.jobs.pending(thing)).filter(which);
  await Promise.all(jobIds.map((jobId) => deps.jobs.cancelExecution(jobId, thing)));
  return jobIds;
}
