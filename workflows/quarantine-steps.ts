import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { QuarantineActivities } from '../activities/quarantine';
import type { QuarantinePlan } from '../domain/quarantine/types';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';
import { RESOLVING, stepOn, watchOn } from './steps';

export type Steps = ReturnType<typeof stepsWith>;

export const { resolve } = proxyLocalActivities<QuarantineActivities>(RESOLVING);

/** The runbook's steps, each with the queue of its power and the line that Temporal UI shows. */
export function stepsWith({ stepTimeoutMs }: Pick<QuarantinePlan, 'stepTimeoutMs'>) {
  const on = (taskQueue: TaskQueue, summary: string) =>
    proxyActivities<QuarantineActivities>(stepOn(taskQueue, summary, stepTimeoutMs));
  const watching = (summary: string) =>
    proxyActivities<QuarantineActivities>(watchOn(TASK_QUEUES.watch, summary));
  const { read, contain, ship, watch } = TASK_QUEUES;
  return {
    snapshot: on(read, 'Record groups, policies, certificates, log level and session').snapshot,
    planContainment: on(read, 'Work out changes, calls and caps').planContainment,
    driftSince: on(read, 'Compare with the snapshot').driftSince,
    reserve: on(contain, 'Ask the guard for a lease').reserve,
    adopt: on(contain, 'Take the lease over').adopt,
    giveBack: on(contain, 'Give the lease back').giveBack,
    approve: on(contain, 'Verify the approval').approve,
    contain: on(contain, 'Deny, log at DEBUG, disconnect').contain,
    escalate: on(contain, 'Set the certificates INACTIVE').escalate,
    cancelOtherJobs: on(ship, "Cancel the device's other jobs").cancelOtherJobs,
    sendJob: on(ship, 'Send a job to the device').sendJob,
    restore: on(contain, 'Restore the snapshot').restore,
    revertLogLevel: on(contain, 'End DEBUG logging').revertLogLevel,
    verifyContained: watching('Documents deny, session gone?').verifyContained,
    dropSessionsBefore: on(watch, 'Drop sessions from before the policies applied')
      .dropSessionsBefore,
    seeRefusal: watching('Has a publish been refused?').seeRefusal,
    seeAcceptance: watching('Can the device publish again?').seeAcceptance,
    awaitJob: watching("Wait for the device's answer").awaitJob,
  };
}
