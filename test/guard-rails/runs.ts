import { setTimeout as sleep } from 'node:timers/promises';
import {
  WorkflowUpdateFailedError,
  type WorkflowHandle,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { alarmIntakeId } from '../../domain/alarm/intake-id';
import type { Alarm, AlarmIntakeInput } from '../../domain/alarm/types';
import { quarantineId } from '../../domain/ids';
import { deviceAlarmName } from '../../domain/names';
import type {
  QuarantineInput,
  QuarantineResult,
  QuarantineStatus,
} from '../../domain/quarantine/types';
import { TASK_QUEUES, UPDATES, WORKFLOWS } from '../../domain/temporal';
import type { GuardedFleet } from './bed';

type Quarantine = (input: QuarantineInput) => Promise<QuarantineResult>;
const WITHIN_MS = 25_000;
const PHASE = defineSearchAttributeKey('IotPhase', 'KEYWORD');

/** Hands an alarm to the intake workflow as the webhook does, and waits until the device's run has it. */
export async function raiseAlarm({ temporal }: GuardedFleet, thing: string): Promise<void> {
  const name = deviceAlarmName('RefusedPublishes', thing);
  const alarm: Alarm = {
    source: 'cloudwatch',
    name,
    arn: `arn:aws:cloudwatch:eu-west-1:000000000000:alarm:${name}`,
    accountId: '000000000000',
    region: 'eu-west-1',
    state: 'ALARM',
    stateChangedAt: new Date().toISOString(),
    reason: '30 refused publishes in 10 seconds',
    dimensions: { ThingName: thing },
  };
  await temporal.workflow.execute<(input: AlarmIntakeInput) => Promise<void>>(
    WORKFLOWS.alarmIntake,
    {
      workflowId: alarmIntakeId(alarm),
      taskQueue: TASK_QUEUES.runbooks,
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      args: [{ alarm, route: { runbook: 'quarantine', thing, severity: 'high' } }],
    },
  );
}

export const askFor = (
  { temporal }: GuardedFleet,
  thing: string,
  requestedBy: string,
): Promise<WorkflowHandleWithFirstExecutionRunId<Quarantine>> =>
  temporal.workflow.start<Quarantine>(WORKFLOWS.quarantine, {
    workflowId: quarantineId(thing),
    taskQueue: TASK_QUEUES.runbooks,
    args: [{ thing, reason: 'a test', requestedBy }],
  });

export const runOf = ({ temporal }: GuardedFleet, thing: string): WorkflowHandle<Quarantine> =>
  temporal.workflow.getHandle<Quarantine>(quarantineId(thing));

/** The first of these phases that the run reaches; fails with the run's own end where it ends in none of them. */
export async function untilPhase(run: WorkflowHandle, ...phases: string[]): Promise<string> {
  let last = '';
  for (const deadline = Date.now() + WITHIN_MS; Date.now() < deadline;) {
    await sleep(50);
    const { typedSearchAttributes, status } = await run.describe();
    last = typedSearchAttributes.get(PHASE) ?? '';
    if (phases.includes(last)) return last;
    if (status.name !== 'RUNNING')
      throw new Error(`the run is ${status.name}: ${JSON.stringify(await run.result())}`);
  }
  throw new Error(`${run.workflowId} is ${last || 'in no phase'}, not ${phases.join(' or ')}`);
}

export const statusOf = (run: WorkflowHandle): Promise<QuarantineStatus> =>
  run.query<QuarantineStatus>('status');

export const release = (run: WorkflowHandle): Promise<unknown> =>
  run.executeUpdate(UPDATES.release, { args: [{ by: 'responder', reason: 'a test' }] });

/** What the Update answers, or why it is refused. */
export async function approve(
  run: WorkflowHandle,
  token: string,
): Promise<{ answer: string } | { refused: string }> {
  try {
    const answer = await run.executeUpdate<string, [{ token: string }]>(UPDATES.approve, {
      args: [{ token }],
    });
    return { answer };
  } catch (err) {
    if (!(err instanceof WorkflowUpdateFailedError)) throw err;
    return { refused: err.cause?.message ?? '' };
  }
}

/** Why the activity's last attempt failed, once so many failed. */
export async function pendingFailure(
  run: WorkflowHandle,
  activity: string,
  attempts = 1,
): Promise<string> {
  for (const deadline = Date.now() + WITHIN_MS; Date.now() < deadline;) {
    await sleep(50);
    const { raw } = await run.describe();
    const pending = raw.pendingActivities?.find(
      ({ activityType }) => activityType?.name === activity,
    );
    // `attempt` counts from 1, and rises when the next one is scheduled.
    if (pending?.lastFailure && (pending.attempt ?? 0) > attempts)
      return pending.lastFailure.message ?? '';
  }
  throw new Error(`${activity} of ${run.workflowId} did not fail ${attempts} times`);
}
