import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { stagedOtaId } from '../../../domain/ids';
import type {
  StagedOtaInput,
  StagedOtaResult,
  StagedOtaStatus,
} from '../../../domain/rollout/types';
import { TASK_QUEUES, WORKFLOWS } from '../../../domain/temporal';
import { messageOf } from '../../../local/stack/errors';
import { seeded } from '../kill-points';
import { gather } from './evidence';
import { judgeRollout, type Findings } from './judge';
import { killAlong, planKills } from './kills';
import { BUILDS, setStage, targetOf, type Build, type OtaChaosStage } from './stage';

export interface StagedOtaChaosOptions {
  sample?: number;
  seed?: number;
  /** Kept there; a temporary folder, removed at the end, without it. */
  dir?: string;
  log: (line: string) => void;
}

export interface StagedOtaChaosReport {
  rollouts: number;
  kills: number;
  stuck: number;
  wrong: number;
  updatedTwice: number;
  leftLeases: number;
  leftPending: number;
}

const DEVICES = 9;
const WAVES = [2, 3, 4];
const ROLLOUTS = 100;
/** A killed watch is taken up after 5 s without a heartbeat, a workflow after its task's time; four times a rollout's usual end. */
const ENDS_WITHIN_MS = 240_000;
const LOOK_MS = 250;
const SETTINGS: NonNullable<StagedOtaInput['settings']> = {
  stepTimeout: '10 seconds',
  soak: '4 seconds',
  lookEvery: '250 milliseconds',
  measureEvery: '500 milliseconds',
  queuedFor: '1 minute',
  inProgressFor: '1 minute',
  settleWithin: '1 minute',
  inFlight: 4,
};

/** Rollouts of good and bad builds in turn, during each of which worker, Temporal and agents are killed at seeded times. */
export async function runStagedOtaChaos(
  options: StagedOtaChaosOptions,
): Promise<{ result: StagedOtaChaosReport; ok: boolean }> {
  const { sample = ROLLOUTS, seed = 1, log } = options;
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'staged-ota-chaos-'));
  const result = { rollouts: 0, kills: 0, stuck: 0, wrong: 0 };
  const report = { ...result, updatedTwice: 0, leftLeases: 0, leftPending: 0 };
  try {
    const stage = await setStage({ devices: DEVICES, dir, log });
    try {
      for (let number = 1; number <= sample; number += 1)
        await one(stage, { number, seed, log }, report);
    } finally {
      await stage.stop();
    }
  } finally {
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
  }
  const { stuck, wrong, updatedTwice, leftLeases, leftPending } = report;
  const found = stuck + wrong + updatedTwice + leftLeases + leftPending;
  return { result: report, ok: found === 0 && report.kills > 0 };
}

interface Turn {
  number: number;
  seed: number;
  log: (line: string) => void;
}

async function one(
  stage: OtaChaosStage,
  { number, seed, log }: Turn,
  report: StagedOtaChaosReport,
): Promise<void> {
  const random = seeded(seed * 1_000_003 + number);
  const build: Build = number % 2 === 1 ? 'good' : random() < 0.5 ? 'crash' : 'sick';
  const hosts = Object.keys(stage.victims).filter((name) => name.startsWith('agents-'));
  const kills = planKills(random, hosts);
  if (number > 1) await stage.freshFleet();
  const since = Date.now();
  const run = await begin(stage, build);
  const over = new AbortController();
  const killing = killAlong(stage, kills, over.signal);
  const ended = await endOf(run, stage, log).finally(() => over.abort());
  const killed = await killing;
  const version = BUILDS[build];
  const { rolloutId } = ended;
  const good = build === 'good';
  const evidence = await gather(stage, { good, version, since, rolloutId, result: ended.result });
  const findings = judgeRollout(evidence);
  report.rollouts += 1;
  report.kills += killed;
  count(report, findings);
  const seconds = ((Date.now() - since) / 1_000).toFixed(0);
  const how = ended.result?.outcome ?? `stuck: ${ended.last}`;
  const what = kills.slice(0, killed).map(({ victim }) => victim);
  log(`${number}: ${build} build ${how} after ${seconds} s, killed: ${what.join(', ')}`);
  for (const [kind, lines] of Object.entries(findings))
    for (const line of lines) log(`${number}: ${kind}: ${line}`);
  if (ended.result === null)
    await run.terminate('stuck: the next rollout begins').catch(() => undefined);
}

function count(report: StagedOtaChaosReport, findings: Findings): void {
  report.stuck += findings.stuck.length;
  report.wrong += findings.wrong.length;
  report.updatedTwice += findings.updatedTwice.length;
  report.leftLeases += findings.leftLeases.length;
  report.leftPending += findings.leftPending.length;
}

function begin({ temporal, fleet }: OtaChaosStage, build: Build): Promise<WorkflowHandle> {
  const release = targetOf(BUILDS[build]);
  const input: StagedOtaInput = {
    release,
    selector: { things: fleet.devices.map(({ thing }) => thing) },
    reason: 'chaos',
    requestedBy: 'chaos',
    waves: WAVES,
    settings: SETTINGS,
  };
  return temporal.workflow.start(WORKFLOWS.stagedOta, {
    workflowId: stagedOtaId(release),
    taskQueue: TASK_QUEUES.runbooks,
    args: [input],
    workflowTaskTimeout: '2 seconds',
  });
}

interface End {
  result: StagedOtaResult | null;
  rolloutId: string | null;
  /** What it waited for when it was last heard. */
  last: string;
}

/** Asks again where the server is away. */
async function endOf(
  run: WorkflowHandle,
  stage: OtaChaosStage,
  log: (line: string) => void,
): Promise<End> {
  const deadline = Date.now() + ENDS_WITHIN_MS;
  let last = 'nothing was heard of it';
  while (Date.now() < deadline) {
    await sleep(LOOK_MS);
    const status = await run.describe().then(
      (described) => described.status.name,
      () => null,
    );
    if (status !== null && status !== 'RUNNING') return resultOf(run, last);
    const view = await run.query<StagedOtaStatus>('status').catch(() => null);
    if (view !== null) last = `${view.phase}: ${view.next}`;
  }
  if (await stage.ensureWorker()) log('the worker had ended by itself');
  return { result: null, rolloutId: null, last };
}

async function resultOf(run: WorkflowHandle, last: string): Promise<End> {
  const deadline = Date.now() + ANSWERS_WITHIN_MS;
  for (;;) {
    try {
      const result = (await run.result()) as StagedOtaResult;
      return { result, rolloutId: result.plan?.ref.rolloutId ?? null, last };
    } catch (err) {
      const why = messageOf(err instanceof Error && err.cause !== undefined ? err.cause : err);
      if (Date.now() > deadline) return { result: null, rolloutId: null, last: why };
      await sleep(LOOK_MS);
    }
  }
}

const ANSWERS_WITHIN_MS = 15_000;
