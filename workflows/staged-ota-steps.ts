import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { RolloutActivities } from '../activities/rollout/types';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';
import { RESOLVING, stepOn, watchOn } from './steps';

export type RolloutSteps = ReturnType<typeof rolloutSteps>;

export const { resolveRollout } = proxyLocalActivities<RolloutActivities>(RESOLVING);

/** The runbook's steps, each with the queue of its power and the line that Temporal UI shows. */
export function rolloutSteps({ stepTimeoutMs }: { stepTimeoutMs: number }) {
  const { read, rollout } = TASK_QUEUES;
  const quick = (summary: string) =>
    proxyActivities<RolloutActivities>(stepOn(rollout, summary, stepTimeoutMs));
  const watching = (taskQueue: TaskQueue, summary: string) =>
    proxyActivities<RolloutActivities>(watchOn(taskQueue, summary));
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
