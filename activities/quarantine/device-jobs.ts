import type { JobDocument } from '../../domain/device-protocol/job-document';
import { QUARANTINE_JOB_PREFIX } from '../../domain/ids';
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
 * Cancels every execution of the thing but the quarantine's own, IN_PROGRESS included, and returns their job ids.
 * Safe to retry: an execution that is cancelled already is no longer pending.
 */
export async function cancelOtherJobs(deps: ContainmentDeps, thing: string): Promise<string[]> {
  const pending = await deps.jobs.pending(thing);
  const others = pending.filter((jobId) => !jobId.startsWith(QUARANTINE_JOB_PREFIX));
  await Promise.all(others.map((jobId) => deps.jobs.cancelExecution(jobId, thing)));
  return others;
}
