import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { IntakeActivities } from '../activities/intake';
import type { AlarmIntakeInput } from '../domain/alarm/types';
import { TASK_QUEUES } from '../domain/temporal';

const { deliverAlarm } = proxyActivities<IntakeActivities>({
  taskQueue: TASK_QUEUES.read,
  startToCloseTimeout: '10 seconds',
  retry: { initialInterval: '200 milliseconds', maximumInterval: '10 seconds' },
  summary: "Hand the alarm to the device's runbook",
});

/**
 * Takes one alarm event exactly once: its own id is a hash of the event and never used again, while the device's lock is the
 * id of the runbook that it hands the alarm to.
 */
export async function alarmIntake(input: AlarmIntakeInput): Promise<void> {
  await deliverAlarm({ ...input, eventId: workflowInfo().workflowId });
}
