import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateJobCommand, DescribeJobCommand } from '@aws-sdk/client-iot';
import { createAwsClients } from '../activities/aws/clients';
import { stagedOtaId } from '../domain/ids';
import type { StagedOtaInput, StagedOtaResult } from '../domain/rollout/types';
import { TASK_QUEUES, WORKFLOWS } from '../domain/temporal';
import { shellFirmware } from '../local/demo/firmware';
import { createUntil } from '../local/demo/patience';
import { createPeople, type People } from '../local/demo/people';
import { follow } from '../local/demo/staged-ota-follow';
import {
  HARDWARE,
  scratchDir,
  setTheOtaStage,
  SITES,
  type OtaStage,
} from '../local/demo/staged-ota-stage';
import { countByOperation, median, round } from './figures';

export interface FleetFigures {
  devices: number;
  /** Median wall time of the rollout, without soaks, over that of a bare IoT Job to the same agents. */
  wallRatio: number;
  /** The same in one wave of all: what the runbook itself takes. Each further wave waits for its slowest device. */
  wallRatioOneWave: number;
  rolloutMs: number;
  bareJobMs: number;
  /** The rollout in groups of 5, 20, 100 and 75, of an artifact that is next to nothing. */
  emptyArtifactMs: number;
  /** With wave groups. */
  awsCallsPerDevice: number;
  /** Straight into the jobs' targets. */
  awsCallsPerDeviceDirect: number;
  awsCallsByOperation: Record<string, number>;
  awsCallsByOperationDirect: Record<string, number>;
  pairs: number;
}

const DEVICES = 200;
const GROUPS = [5, 20, 100, 75];
/** AWS takes so many targets in one job. */
const MOST_TARGETS = 100;
const APPROVERS = ['ada', 'bo'];
const FAST: NonNullable<StagedOtaInput['settings']> = {
  soak: '0 seconds',
  lookEvery: '250 milliseconds',
  measureEvery: '1 second',
  inFlight: DEVICES,
};

/** At the runbook's own pace of looks and measurements. */
const USUAL: NonNullable<StagedOtaInput['settings']> = { soak: '0 seconds' };

interface Bench {
  stage: OtaStage;
  people: People;
  signal: AbortSignal;
  log: (line: string) => void;
  /** Ships the next version, of the sample application or of next to nothing. */
  ship(what: 'application' | 'nothing'): Promise<string>;
}

interface Timed {
  ms: number;
  calls: number;
  byOperation: Record<string, number>;
}

/** The same two hundred real agents take one release after the other, by a bare job and by a rollout in turns. */
export async function benchFleet(options: {
  pairs: number;
  log: (line: string) => void;
}): Promise<FleetFigures> {
  const { pairs, log } = options;
  const cleanUp: (() => Promise<unknown>)[] = [];
  try {
    const bench = await setUp(log, cleanUp);
    const bare: number[] = [];
    const rollouts: number[] = [];
    for (let pair = 0; pair < pairs; pair += 1) {
      bare.push(await bareJob(bench, await bench.ship('application')));
      rollouts.push((await rollOut(bench, await bench.ship('application'), {})).ms);
      log(`pair ${pair + 1}: bare job ${bare.at(-1)} ms, rollout ${rollouts.at(-1)} ms`);
    }
    const empty = await rollOut(bench, await bench.ship('nothing'), { waves: GROUPS });
    log(`${GROUPS.join('/')} of an empty artifact: ${empty.ms} ms`);
    const one = await rollOut(bench, await bench.ship('application'), { waves: ['100%'] });
    const atOnce = async (inFlight: number): Promise<Timed> =>
      rollOut(bench, await bench.ship('application'), {
        waves: ['100%'],
        settings: { ...USUAL, inFlight },
      });
    const groups = await atOnce(DEVICES);
    const direct = await atOnce(MOST_TARGETS);
    log(`one wave: ${one.ms} ms; AWS calls: ${groups.calls} in groups, ${direct.calls} direct`);
    return {
      devices: DEVICES,
      wallRatio: round(median(rollouts) / median(bare), 2),
      wallRatioOneWave: round(one.ms / median(bare), 2),
      rolloutMs: round(median(rollouts)),
      bareJobMs: round(median(bare)),
      emptyArtifactMs: empty.ms,
      awsCallsPerDevice: round(groups.calls / DEVICES, 3),
      awsCallsPerDeviceDirect: round(direct.calls / DEVICES, 3),
      awsCallsByOperation: groups.byOperation,
      awsCallsByOperationDirect: direct.byOperation,
      pairs,
    };
  } finally {
    for (const stop of cleanUp.reverse()) await stop();
  }
}

async function setUp(
  log: (line: string) => void,
  cleanUp: (() => Promise<unknown>)[],
): Promise<Bench> {
  const first = '1.0.0';
  const dir = scratchDir();
  cleanUp.push(() => rm(dir, { recursive: true, force: true }));
  const stage = await setTheOtaStage({
    devices: DEVICES,
    dir,
    cleanUp,
    tell: log,
    releases: [[first, await shellFirmware(first, null)]],
    updates: { confirmMs: 100, health: { kind: 'exit' } },
    fleet: { telemetryIntervalMs: 60_000, minGapMs: 200 },
  });
  let minor = 0;
  return {
    stage,
    people: await createPeople(stage.services.env, APPROVERS),
    signal: new AbortController().signal,
    log,
    ship: async (what) => {
      const from = `1.${minor}.0`;
      minor += 1;
      const version = `1.${minor}.0`;
      const files =
        what === 'nothing' ? { 'main.sh': NOTHING } : await shellFirmware(version, null);
      return stage.publisher.ship(version, files, { revertsTo: [from] });
    },
  };
}

/** Runs, and does no more. */
const NOTHING = 'exec sleep 86400\n';

/** CreateJob to all, straight into the targets, and a look at the counts until all have succeeded. */
async function bareJob({ stage }: Bench, target: string): Promise<number> {
  const { emulator } = stage.stack;
  const { iot } = createAwsClients(emulator);
  const arns = stage.fleet.devices.map(
    ({ thing }) => `arn:aws:iot:${emulator.region}:${emulator.accountId}:thing/${thing}`,
  );
  const document = JSON.stringify({
    version: 1,
    operation: 'install',
    requestedBy: 'bench',
    target,
  });
  const begun = performance.now();
  const jobIds: string[] = [];
  for (let from = 0; from < arns.length; from += MOST_TARGETS) {
    const jobId = `bare-${target.replaceAll(/[^0-9]/g, '-')}-${from}`;
    jobIds.push(jobId);
    const targets = arns.slice(from, from + MOST_TARGETS);
    await iot.send(new CreateJobCommand({ jobId, targets, document }));
  }
  const succeeded = async (): Promise<number> => {
    const jobs = await Promise.all(
      jobIds.map((jobId) => iot.send(new DescribeJobCommand({ jobId }))),
    );
    const counts = jobs.map(({ job }) => job?.jobProcessDetails);
    const bad = counts.filter((each) => (each?.numberOfFailedThings ?? 0) > 0);
    if (bad.length > 0) throw new Error('a device failed the bare job');
    return counts.reduce((sum, each) => sum + (each?.numberOfSucceededThings ?? 0), 0);
  };
  while ((await succeeded()) < arns.length) await sleep(LOOK_MS);
  return round(performance.now() - begun);
}

const LOOK_MS = 250;

/** From the last approval to the result. */
async function rollOut(
  bench: Bench,
  release: string,
  change: Partial<StagedOtaInput>,
): Promise<Timed> {
  const { stage, people, signal } = bench;
  const input: StagedOtaInput = {
    release,
    selector: { sites: SITES, hardware: HARDWARE },
    reason: 'bench',
    requestedBy: 'bench',
    settings: FAST,
    ...change,
  };
  const run = await stage.temporal.workflow.start(WORKFLOWS.stagedOta, {
    workflowId: stagedOtaId(release),
    taskQueue: TASK_QUEUES.runbooks,
    args: [input],
  });
  let begun = performance.now();
  const timeline = { tell: (line: string) => bench.log(`  ${line}`) };
  const onApproving = (): void => {
    begun = performance.now();
    stage.proxy.reset();
  };
  const onPlanned = () => Promise.resolve();
  const result = await follow({ run, timeline, people, signal, onPlanned, onApproving });
  const ms = round(performance.now() - begun);
  const calls = stage.proxy.calls();
  await settled(bench, result, release);
  return { ms, calls: calls.length, byOperation: countByOperation(calls) };
}

/** A figure of a rollout that did not reach everybody would be none. */
async function settled(
  { stage, signal }: Bench,
  result: StagedOtaResult,
  release: string,
): Promise<void> {
  if (result.outcome !== 'completed') throw new Error(`${result.outcome}: ${result.summary}`);
  await createUntil(signal)(`${release} on all devices`, () =>
    stage.fleet.devices.every((device) => device.installed().target === release),
  );
}
