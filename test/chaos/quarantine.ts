import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { startBed, type Bed } from '../../local/bed/bed';
import type { BedDevice } from '../../local/bed/device';
import { quarantineId } from '../../domain/ids';
import type {
  QuarantineInput,
  QuarantineResult,
  ReleaseRequest,
} from '../../domain/quarantine/types';
import { TASK_QUEUES, UPDATES, WORKFLOWS } from '../../domain/temporal';
import { differences, readState, unsettledJobs, type DeviceState } from './device-state';
import { sweep, type Subject, type SweepOptions, type SweepReport } from './sweep';

type Settings = NonNullable<QuarantineInput['settings']>;

/** Short, so that a step whose worker died is tried again after a second. */
const SETTINGS: Settings = {
  stepTimeout: '1 second',
  propagation: '0 seconds',
  // Longer than a watch takes to go on elsewhere after its worker died: 5 s.
  proveWithin: '30 seconds',
  debugLogsFor: '10 minutes',
  holdFor: '10 minutes',
  probation: '1 second',
};
const PHASE = defineSearchAttributeKey('IotPhase', 'KEYWORD');
const RUN_TIMEOUT_MS = 60_000;
const SETTLE_MS = 5_000;

export interface QuarantineChaosOptions extends Pick<SweepOptions, 'sample' | 'seed'> {
  log: (line: string) => void;
  dir?: string;
  /**
   * One second unless told. Where the machine is so busy that a step takes longer, its next attempt runs beside it,
   * and what the two do counts as done twice.
   */
  stepTimeout?: string;
}

/** Contained and released, with the worker killed at every point: the device must end exactly as it began. */
export async function runQuarantineChaos(options: QuarantineChaosOptions): Promise<SweepReport> {
  const { log, dir, stepTimeout, ...chosen } = options;
  const bed = await startBed({ log, ...(dir !== undefined && { dir }) });
  const { temporal, emulator } = bed.stack;
  try {
    return await sweep(
      {
        startWorker: (through) => bed.startWorker(through),
        prepare: (run) =>
          prepare(bed, run, { ...SETTINGS, ...(stepTimeout !== undefined && { stepTimeout }) }),
      },
      {
        ...chosen,
        log,
        upstream: { temporal: temporal.address, aws: emulator.endpoint },
        runTimeoutMs: RUN_TIMEOUT_MS,
      },
    );
  } finally {
    await bed.stop();
  }
}

async function prepare(bed: Bed, run: number, settings: Settings): Promise<Subject> {
  await bed.freshGuard();
  const device = await bed.addDevice(`chaos-${run}`);
  const before = await readState(bed.clients, device.thing);
  let result: QuarantineResult | undefined;
  return {
    drive: async (signal) => {
      result = await containAndRelease(bed, device.thing, settings, signal);
    },
    verify: () => verify(bed, device.thing, before, result),
    clear: () => clear(bed, device),
  };
}

async function containAndRelease(
  bed: Bed,
  thing: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<QuarantineResult> {
  const input: QuarantineInput = {
    thing,
    reason: 'kill sweep',
    requestedBy: 'chaos',
    settings,
  };
  const handle = await bed.temporal.workflow.start(WORKFLOWS.quarantine, {
    workflowId: quarantineId(thing),
    taskQueue: TASK_QUEUES.runbooks,
    args: [input],
    workflowTaskTimeout: '1 second',
  });
  await orAborted(signal, untilHolding(handle, signal));
  const release: ReleaseRequest = { by: 'chaos', reason: 'end of the run' };
  await orAborted(
    signal,
    handle.executeUpdate(UPDATES.release, { args: [release], updateId: `release-${thing}` }),
  );
  return (await orAborted(signal, handle.result())) as QuarantineResult;
}

async function untilHolding(handle: WorkflowHandle, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { typedSearchAttributes, status } = await handle.describe();
    if (typedSearchAttributes.get(PHASE) === 'holding') return;
    // Its result says why.
    if (status.name !== 'RUNNING') await handle.result();
    await sleep(50, undefined, { signal });
  }
}

function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, reject) => {
      const abort = (): void => reject(new Error('the run did not end in time'));
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    }),
  ]);
}

async function verify(
  bed: Bed,
  thing: string,
  before: DeviceState,
  result: QuarantineResult | undefined,
): Promise<string[]> {
  const problems = differences(before, await readState(bed.clients, thing));
  if (result?.outcome !== 'released') {
    problems.push(`the run ended ${result?.outcome ?? 'without a result'}, not released`);
  } else if (result.level === 'not contained') {
    problems.push('the run was released without having been contained');
  }
  const leases = await bed.leases();
  if (leases.length > 0) problems.push(`the guard still counts ${leases.join(', ')}`);
  return [...problems, ...(await jobsThatStay(bed, thing))];
}

/** The device may still be at its last job when the run is over. */
async function jobsThatStay(bed: Bed, thing: string): Promise<string[]> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const open = await unsettledJobs(bed.clients, thing);
    if (open.length === 0) return [];
    if (Date.now() > deadline) return open.map((jobId) => `job ${jobId} did not end`);
    await sleep(50);
  }
}

async function clear(bed: Bed, device: BedDevice): Promise<void> {
  const handle = bed.temporal.workflow.getHandle(quarantineId(device.thing));
  const { status } = await handle.describe();
  if (status.name === 'RUNNING') await handle.terminate('the kill sweep goes on');
  await device.stop();
}
