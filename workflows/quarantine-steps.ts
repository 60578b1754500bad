import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { QuarantineActivities } from '../activities/quarantine';
import type { QuarantinePlan } from '../domain/quarantine/types';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';

export type Steps = ReturnType<typeof stepsWith>;

/** Reads only, so that running it again after a lost workflow task changes nothing. */
export const { resolve } = proxyLocalActivities<QuarantineActivities>({
  startToCloseTimeout: '10 seconds',
  summary: 'Check the input, pin the settings',
});

/**
 * A cancelled step is waited for: what it still does must not fall into the undoing of it, nor a watch drop the session of a
 * device that was just given back.
 */
const WAITED_FOR = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} satisfies ActivityOptions;

const WATCH: ActivityOptions = {
  ...WAITED_FOR,
  taskQueue: TASK_QUEUES.watch,
  startToCloseTimeout: '90 days',
  heartbeatTimeout: '5 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
};

/** The runbook's steps, each with the queue of its power and the line that Temporal UI shows. */
export function stepsWith({ stepTimeoutMs }: Pick<QuarantinePlan, 'stepTimeoutMs'>) {
  const on = (taskQueue: TaskQueue, summary: string) =>
    proxyActivities<QuarantineActivities>({
      ...WAITED_FOR,
      taskQueue,
      summary,
      startToCloseTimeout: stepTimeoutMs,
      retry: { initialInterval: '250 milliseconds', maximumInterval: '10 seconds' },
    });
  const watching = (summary: string) =>
    proxyActivities<QuarantineActivities>({ ...WATCH, summary });
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
