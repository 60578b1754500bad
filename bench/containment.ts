import { setTimeout as sleep } from 'node:timers/promises';
import { defineSearchAttributeKey } from '@temporalio/common';
import { createAwsClients } from '../activities/aws/clients';
import { quarantineId } from '../domain/ids';
import type { QuarantineInput, QuarantineResult } from '../domain/quarantine/types';
import { TASK_QUEUES, UPDATES, WORKFLOWS } from '../domain/temporal';
import { startBed, type Bed } from '../local/bed/bed';
import { startAwsProxy, type AwsCall, type AwsProxy } from '../local/proxies/aws-proxy';
import type { Child } from '../local/stack/child';
import { containBare, releaseBare, type BareClients } from './bare-containment';
import { countByOperation, median, quantile, residentKb, round } from './figures';

export interface ContainmentOptions {
  /** Pairs of runs, with the delay and without it. */
  runs: number;
  log: (line: string) => void;
  dir?: string;
}

/** Times in milliseconds. */
export interface ContainmentFigures {
  /** Median of the runbook (requested → disconnected) over median of the bare script, each AWS call 40 ms slower. */
  ratio: number;
  /** The same without added delay. */
  rawRatio: number;
  medianMs: number;
  p95Ms: number;
  bareMedianMs: number;
  rawMedianMs: number;
  rawBareMedianMs: number;
  /** Of the runbook up to the dropped session. */
  awsCalls: number;
  /** Of the whole run, containment to the end of probation. */
  awsCallsWhole: number;
  bareAwsCalls: number;
  awsCallsByOperation: Record<string, number>;
  workflowEvents: number;
  historyBytes: number;
  workerRssMb: number;
  runs: number;
}

const DELAY_MS = 40;
const RUN_TIMEOUT_MS = 60_000;
const PHASE = defineSearchAttributeKey('IotPhase', 'KEYWORD');
const SETTINGS: NonNullable<QuarantineInput['settings']> = {
  propagation: '0 seconds',
  proveWithin: '2 seconds',
  probation: '1 second',
};

interface Bench {
  bed: Bed;
  proxy: AwsProxy;
  /** Through the proxy, as the worker's are. */
  bare: BareClients;
  worker: Child;
}

interface RunbookRun {
  ms: number;
  calls: AwsCall[];
  /** Arrival of the call that dropped the session. */
  callsUntilDropped: number;
  events: number;
  bytes: number;
}

/**
 * How long containment takes against a bare script that makes the same AWS calls one after the other, in the same run
 * and in turns, so that what else the machine does weighs on both.
 */
export async function benchContainment(options: ContainmentOptions): Promise<ContainmentFigures> {
  const bed = await startBed(options);
  const { emulator, temporal } = bed.stack;
  const proxy = await startAwsProxy({ upstream: emulator.endpoint });
  const { region, credentials } = emulator;
  const bare = createAwsClients({ endpoint: proxy.endpoint, region, credentials });
  const through = { temporalAddress: temporal.address, awsEndpoint: proxy.endpoint };
  let worker: Child | undefined;
  try {
    worker = await bed.readyWorker(through);
    return await measure({ bed, proxy, bare, worker }, options);
  } finally {
    await worker?.stop();
    await proxy.stop();
    await bed.stop();
  }
}

async function measure(bench: Bench, options: ContainmentOptions): Promise<ContainmentFigures> {
  const { log, runs } = options;
  // Bundling, connections and just-in-time compilation are no part of a containment.
  await interleave(bench, { name: 'warm', runs: 2, delayMs: 0, log });
  const slow = await interleave(bench, { name: 'slow', runs, delayMs: DELAY_MS, log });
  const raw = await interleave(bench, { name: 'raw', runs, delayMs: 0, log });
  const last = slow.runbook.at(-1);
  if (last === undefined) throw new Error('at least one run is needed');
  const times = slow.runbook.map(({ ms }) => ms);
  const rawMedianMs = median(raw.runbook.map(({ ms }) => ms));
  return {
    ratio: round(median(times) / median(slow.bare), 2),
    rawRatio: round(rawMedianMs / median(raw.bare), 2),
    medianMs: round(median(times)),
    p95Ms: round(quantile(times, 0.95)),
    bareMedianMs: round(median(slow.bare)),
    rawMedianMs: round(rawMedianMs),
    rawBareMedianMs: round(median(raw.bare), 1),
    awsCalls: last.callsUntilDropped,
    awsCallsWhole: last.calls.length,
    bareAwsCalls: slow.bareCalls,
    awsCallsByOperation: countByOperation(last.calls),
    workflowEvents: last.events,
    historyBytes: last.bytes,
    workerRssMb: round(residentKb(bench.worker.pid) / 1024),
    runs,
  };
}

interface Series {
  name: string;
  runs: number;
  delayMs: number;
  log: (line: string) => void;
}

/** Runbook, bare, runbook, bare …, each on a device of its own that is connected and was never contained. */
async function interleave(bench: Bench, { name, runs, delayMs, log }: Series) {
  const runbook: RunbookRun[] = [];
  const bare: number[] = [];
  let bareCalls = 0;
  for (let run = 0; run < runs; run += 1) {
    const own = await runRunbook(bench, `bench-${name}-a${run}`, delayMs);
    runbook.push(own);
    const floor = await runBare(bench, `bench-${name}-b${run}`, delayMs);
    bare.push(floor.ms);
    bareCalls = floor.calls;
    log(`${name} ${run + 1}/${runs}: runbook ${round(own.ms)} ms, bare ${round(floor.ms)} ms`);
  }
  return { runbook, bare, bareCalls };
}

async function runBare({ bed, proxy, bare }: Bench, thing: string, delayMs: number) {
  const device = await bed.addDevice(thing);
  proxy.reset();
  proxy.setDelay(delayMs);
  const ms = await containBare(bare, thing);
  proxy.setDelay(0);
  const calls = proxy.calls().length;
  await releaseBare(bed.clients, thing);
  await device.stop();
  return { ms, calls };
}

async function runRunbook(bench: Bench, thing: string, delayMs: number): Promise<RunbookRun> {
  const { bed, proxy } = bench;
  await bed.freshGuard();
  const device = await bed.addDevice(thing);
  proxy.reset();
  proxy.setDelay(delayMs);
  const input: QuarantineInput = { thing, reason: 'bench', settings: SETTINGS };
  const handle = await bed.temporal.workflow.start(WORKFLOWS.quarantine, {
    workflowId: quarantineId(thing),
    taskQueue: TASK_QUEUES.runbooks,
    args: [input],
    workflowExecutionTimeout: RUN_TIMEOUT_MS,
  });
  const deadline = Date.now() + RUN_TIMEOUT_MS;
  for (;;) {
    const { typedSearchAttributes, status } = await handle.describe();
    if (typedSearchAttributes.get(PHASE) === 'holding') break;
    // Its result says why.
    if (status.name !== 'RUNNING') await handle.result();
    if (Date.now() > deadline) throw new Error(`${thing} was not held in time`);
    await sleep(25);
  }
  await handle.executeUpdate(UPDATES.release, { args: [{ by: 'bench', reason: 'measured' }] });
  const result = (await handle.result()) as QuarantineResult;
  proxy.setDelay(0);
  const history = await handle.fetchHistory();
  const { historySize, historyLength } = await handle.describe();
  await device.stop();
  const calls = proxy.calls();
  return {
    ms: containedAfterMs(result),
    calls,
    callsUntilDropped: calls.findIndex(({ operation }) => operation === 'DeleteConnection') + 1,
    events: history.events?.length ?? historyLength,
    bytes: historySize ?? 0,
  };
}

/** By the workflow's own record: from its start to the broker's acknowledgement of the dropped session. */
function containedAfterMs({ thing, outcome, proof }: QuarantineResult): number {
  if (outcome !== 'released' || proof?.disconnectedAt == null) {
    throw new Error(`${thing} ended ${outcome}, contained: ${proof?.disconnectedAt ?? 'never'}`);
  }
  return Date.parse(proof.disconnectedAt) - Date.parse(proof.requestedAt);
}
