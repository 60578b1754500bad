import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, defineSearchAttributeKey } from '@temporalio/common';
import type { CollectLogsInput, CollectLogsResult } from '../../domain/evidence/collect-logs';
import { logsId, quarantineId } from '../../domain/ids';
import type {
  QuarantineInput,
  QuarantinePhase,
  QuarantineResult,
  QuarantineStatus,
} from '../../domain/quarantine/types';
import { TASK_QUEUES, WORKFLOWS, type UPDATES } from '../../domain/temporal';
import type { Bed } from './bed';

/** Short where a test waits for it, long where it must not run out. */
const SETTINGS: NonNullable<QuarantineInput['settings']> = {
  stepTimeout: '5 seconds',
  approveWithin: '1 minute',
  propagation: '0 seconds',
  proveWithin: '10 seconds',
  debugLogsFor: '1 hour',
  holdFor: '1 hour',
  probation: '1 second',
};

const PHASE = defineSearchAttributeKey('IotPhase', 'KEYWORD');
export const BY = { by: 'responder', reason: 'a test' };

export type Run = WorkflowHandle<(input: QuarantineInput) => Promise<QuarantineResult>>;

export async function startRun(
  { temporal }: Bed,
  thing: string,
  { settings, ...input }: Partial<QuarantineInput> = {},
): Promise<Run> {
  return temporal.workflow.start<(input: QuarantineInput) => Promise<QuarantineResult>>(
    WORKFLOWS.quarantine,
    {
      workflowId: quarantineId(thing),
      taskQueue: TASK_QUEUES.runbooks,
      args: [
        {
          thing,
          reason: 'a test',
          requestedBy: 'responder',
          ...input,
          settings: { ...SETTINGS, ...settings },
        },
      ],
    },
  );
}

/** Starts a run and returns once it holds the device. */
export async function held(
  bed: Bed,
  thing: string,
  input: Partial<QuarantineInput> = {},
): Promise<Run> {
  const run = await startRun(bed, thing, input);
  await untilPhase(run, 'holding');
  return run;
}

/** Fails with the run's own end where it ends before. */
export async function untilPhase(run: WorkflowHandle, phase: QuarantinePhase): Promise<void> {
  for (;;) {
    const { typedSearchAttributes, status } = await run.describe();
    if (typedSearchAttributes.get(PHASE) === phase) return;
    if (status.name !== 'RUNNING')
      throw new Error(`the run is ${status.name}: ${JSON.stringify(await run.result())}`);
    await sleep(50);
  }
}

export const statusOf = (run: WorkflowHandle): Promise<QuarantineStatus> =>
  run.query<QuarantineStatus>('status');

/** The status once it fits; the test's own time-out is the bound. */
export async function untilStatus(
  run: WorkflowHandle,
  fits: (status: QuarantineStatus) => boolean,
): Promise<QuarantineStatus> {
  for (;;) {
    // A run that has only just begun knows no status yet.
    const status = await statusOf(run).catch(() => null);
    if (status !== null && fits(status)) return status;
    await sleep(50);
  }
}

export const update = (
  run: WorkflowHandle,
  name: keyof typeof UPDATES,
  ...args: unknown[]
): Promise<unknown> => run.executeUpdate<unknown, [unknown]>(name, { args: args as [unknown] });

export async function release(run: Run): Promise<QuarantineResult> {
  await update(run, 'release', BY);
  return run.result();
}

/** Why an Update was refused; `type` says by whom. */
export async function refusalOf(
  updating: Promise<unknown>,
): Promise<{ type: string; message: string }> {
  try {
    await updating;
  } catch (err) {
    if (err instanceof WorkflowUpdateFailedError && err.cause instanceof ApplicationFailure)
      return { type: err.cause.type ?? '', message: err.cause.message };
    throw err;
  }
  throw new Error('the Update was not refused');
}

/** Activities that wait for another attempt, with why the last one failed. */
export async function pendingFailures(run: WorkflowHandle): Promise<string[]> {
  const { raw } = await run.describe();
  return (raw.pendingActivities ?? []).flatMap(({ activityType, lastFailure }) =>
    lastFailure ? [`${activityType?.name ?? ''}: ${lastFailure.message ?? ''}`] : [],
  );
}

export async function untilPendingFailure(run: WorkflowHandle): Promise<string[]> {
  for (;;) {
    const failures = await pendingFailures(run);
    if (failures.length > 0) return failures;
    await sleep(50);
  }
}

/** Until an attempt of this activity has failed and waits for another. */
export async function untilPending(run: WorkflowHandle, activity: string): Promise<void> {
  while (!(await pendingFailures(run)).some((failure) => failure.startsWith(`${activity}:`)))
    await sleep(50);
}

/** Any runbook's phase, as it is searched by. */
export async function untilSearchable(run: WorkflowHandle, phase: string): Promise<void> {
  for (;;) {
    const { typedSearchAttributes, status } = await run.describe();
    if (typedSearchAttributes.get(PHASE) === phase) return;
    if (status.name !== 'RUNNING') throw new Error(`the run is ${status.name}`);
    await sleep(50);
  }
}

/** A collection of a thing's evidence; `n` counts those of the thing. */
export const startCollection = (
  { temporal }: Bed,
  thing: string,
  n: number,
  input: Partial<CollectLogsInput> = {},
) =>
  temporal.workflow.start<(input: CollectLogsInput) => Promise<CollectLogsResult>>(
    WORKFLOWS.collectLogs,
    {
      workflowId: logsId(thing, n),
      taskQueue: TASK_QUEUES.runbooks,
      args: [{ thing, reason: 'a test', ...input }],
    },
  );
