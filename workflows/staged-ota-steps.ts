import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { RolloutActivities } from '../activities/rollout/types';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';

export type RolloutSteps = ReturnType<typeof rolloutSteps>;

/** Reads only, so that running it again after a lost workflow task changes nothing. */
export const { resolveRollout } = proxyLocalActivities<RolloutActivities>({
  startToCloseTimeout: '10 seconds',
  summary: 'Check the input, pin the settings',
});

/** A cancelled step is waited for: what it still does must not fall into the aborting of the rollout. */
const WAITED_FOR = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} satisfies ActivityOptions;

/** Heartbeats tell of a dead worker; how long a wave may take is a matter of its own deadlines. */
const WATCH: ActivityOptions = {
  ...WAITED_FOR,
  startToCloseTimeout: '90 days',
  heartbeatTimeout: '5 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
};

/** The runbook's steps, each with the queue of its power and the line that Temporal UI shows. */
export function rolloutSteps({ stepTimeoutMs }: { stepTimeoutMs: number }) {
  const { read, rollout } = TASK_QUEUES;
  const quick = (summary: string) =>
    proxyActivities<RolloutActivities>({
      ...WAITED_FOR,
      taskQueue: rollout,
      summary,
      startToCloseTimeout: stepTimeoutMs,
      retry: { initialInterval: '250 milliseconds', maximumInterval: '10 seconds' },
    });
  const watching = (taskQueue: TaskQueue, summary: string) =>
    proxyActivities<RolloutActivities>({ ...WATCH, taskQueue, summary });
  return {
    planRollout: watching(read, 'Select, stratify and freeze the devices').planRollout,
    approveRollout: quick('Verify the approval').approveRollout,
    openWave: watching(rollout, "Lease the wave's devices").openWave,
    carryWave: watching(rollout, 'Dispatch, watch, ask the gate').carryWave,
    watchSoak: watching(rollout, 'Soak: any new alarm, any failing device?').watchSoak,
    judgeWave: quick('Ask the gate at the end of the soak').judgeWave,
    cancelJobs: watching(rollout, 'Cancel every job, until all executions are terminal').cancelJobs,
    settle: watching(rollout, 'Ask every touched device what it runs').settle,
    planRollback: watching(rollout, 'Plan the way back of every touched device').planRollback,
    page: quick('Page a person').page,
    closeRollout: watching(rollout, 'Give the leases back, list every device').closeRollout,
  };
}
