import { ScheduleAlreadyRunning, type Client } from '@temporalio/client';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';

export const RECONCILE_SCHEDULE = 'reconcile';

/** Creates the schedule unless it is there; one that a person changed or paused is left as it is. Idempotent. */
export async function ensureReconcileSchedule(client: Client): Promise<'created' | 'kept'> {
  try {
    await client.schedule.create({
      scheduleId: RECONCILE_SCHEDULE,
      spec: { intervals: [{ every: '5 minutes' }], jitter: '10 seconds' },
      policies: { overlap: 'SKIP', catchupWindow: '1 minute' },
      action: {
        type: 'startWorkflow',
        workflowType: WORKFLOWS.reconcile,
        workflowId: 'reconcile',
        taskQueue: TASK_QUEUES.runbooks,
        args: [],
        staticSummary: 'Adopt or report what is contained without a run',
      },
    });
    return 'created';
  } catch (err) {
    if (err instanceof ScheduleAlreadyRunning) return 'kept';
    throw err;
  }
}
