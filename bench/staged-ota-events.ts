import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { createRolloutActivities } from '../activities/rollout';
import type { RolloutDeps } from '../activities/rollout/deps';
import { stagedOtaId } from '../domain/ids';
import type { StagedOtaInput, StagedOtaResult } from '../domain/rollout/types';
import { TASK_QUEUES, WORKFLOWS } from '../domain/temporal';
import { countEvents } from '../local/demo/temporal-events';
import { startTemporal } from '../local/stack/temporal';
import { loadRunbook } from '../runbooks/load';
import { planningDeps } from '../test/support/rollout-plan';
import { HOP, NOW, World } from '../test/support/rollout-world';
import { depsOf } from '../test/support/rollout-world-deps';
import { workflowBundle } from '../workers/bundle';
import { round } from './figures';
import { deviceSteps } from './per-device/steps';

export interface EventFigures {
  simulatedDevices: number;
  /** Events in the histories of the rollout and all its waves, for each device. */
  eventsPerDevice: number;
  maxRunEvents: number;
  runs: number;
  simulatedMs: number;
  /** All calls but those of planning, with wave groups. What a rollout takes whatever its size hardly counts here. */
  simulatedAwsCallsPerDevice: number;
  /** Of a version with a workflow for each device that takes the same steps. */
  perDeviceWorkflowEvents: number;
}

const DEVICES = 10_000;
/** Each has as many events as the next. */
const PER_DEVICE_SAMPLE = 50;
const ROOT = join(__dirname, '..');
const TICK_MS = 20;
const PER_DEVICE_QUEUE = 'bench-per-device';

interface Bench {
  connection: NativeConnection;
  client: Client;
}

/** Ten thousand simulated devices behind the workflows and activities as they are, on a real Temporal server. */
export async function benchEvents({ log }: { log: (line: string) => void }): Promise<EventFigures> {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const temporal = await startTemporal();
  const connection = await NativeConnection.connect({ address: temporal.address });
  const clientConnection = await Connection.connect({ address: temporal.address });
  const bench = { connection, client: new Client({ connection: clientConnection }) };
  try {
    const rollout = await rollOut(bench);
    log(`${DEVICES} devices: ${rollout.all} events in ${rollout.runs} runs, ${rollout.ms} ms`);
    const perDevice = await runPerDevice(bench);
    log(`a workflow for each device: ${perDevice} events a device`);
    return {
      simulatedDevices: DEVICES,
      eventsPerDevice: round(rollout.all / DEVICES, 4),
      maxRunEvents: rollout.mostOfARun,
      runs: rollout.runs,
      simulatedMs: rollout.ms,
      simulatedAwsCallsPerDevice: round(rollout.calls / DEVICES, 3),
      perDeviceWorkflowEvents: perDevice,
    };
  } finally {
    await Promise.all([connection.close(), clientConnection.close()]);
    await temporal.stop();
  }
}

async function rollOut(bench: Bench) {
  const world = new World(Array.from({ length: DEVICES }, () => 'good' as const));
  world.plan([DEVICES]);
  const begun = Date.now();
  const passed = (): number => Date.now() - begun - (world.now - NOW);
  const clock = setInterval(() => void world.sleep(Math.max(0, passed())), TICK_MS);
  const { runbooks, read, rollout } = createRolloutActivities(depsFor(world));
  const { runbooks: main, read: reading, rollout: waves } = TASK_QUEUES;
  const workflows = await workflowBundle(ROOT, join(ROOT, '.local', 'cache'));
  const run = (): Promise<StagedOtaResult> =>
    bench.client.workflow.execute(WORKFLOWS.stagedOta, {
      workflowId: stagedOtaId(HOP.target),
      taskQueue: main,
      args: [INPUT],
    });
  try {
    const result = await withWorkers(
      bench,
      [
        { taskQueue: main, workflowBundle: workflows, activities: runbooks },
        { taskQueue: reading, activities: read },
        { taskQueue: waves, activities: rollout },
      ],
      run,
    );
    if (result.devices?.updated !== DEVICES)
      throw new Error(`${result.outcome}: ${result.summary}`);
    const events = await countEvents(bench.client, [WORKFLOWS.stagedOta, WORKFLOWS.otaWave]);
    return { ...events, ms: Date.now() - begun, calls: world.calls };
  } finally {
    clearInterval(clock);
  }
}

const INPUT: StagedOtaInput = {
  release: HOP.target,
  selector: { hardware: ['rev-a'] },
  reason: 'bench',
  settings: { soak: '1 second', inFlight: 2_000, lookEvery: '500 milliseconds' },
};

/** The simulated cloud, with what planning asks beside; nobody has to approve. */
function depsFor(world: World): RolloutDeps {
  const deps = depsOf(world);
  const old = { version: '1.0.0', securityEpoch: 0, hardware: ['rev-a'] };
  const releases = [
    { ...old, name: 'pump/1.0.0.tar', release: 1 },
    { ...old, name: HOP.target, version: HOP.version, release: HOP.release },
    {
      ...old,
      name: HOP.revert?.target ?? '',
      release: HOP.revert?.release ?? 0,
      reverts: HOP.release,
    },
  ];
  const fleet = () => [...world.devices.values()].map((device) => world.indexed(device));
  const planning = planningDeps(fleet, releases);
  return {
    ...deps,
    releases: planning.releases,
    metrics: { latest: () => Promise.resolve({}) },
    pager: { page: () => Promise.resolve() },
    index: {
      ...deps.index,
      search: (query) => (query.startsWith('thingTypeName:') ? planning : deps).index.search(query),
    },
    loadRunbook: () => ({
      ...loadRunbook(join(ROOT, 'runbooks'), 'stagedOta'),
      approval: { count: DEVICES, percent: 100, approvers: 2 },
    }),
  };
}

async function runPerDevice(bench: Bench): Promise<number> {
  const taskQueue = PER_DEVICE_QUEUE;
  const things = Array.from({ length: PER_DEVICE_SAMPLE }, (_, index) => `device-${index}`);
  const options = {
    taskQueue,
    workflowsPath: join(__dirname, 'per-device', 'workflows.ts'),
    activities: { ...deviceSteps },
  };
  await withWorkers(bench, [options], () =>
    Promise.all(
      things.map((thing) =>
        bench.client.workflow.execute('updateDevice', {
          workflowId: `per-device/${thing}`,
          taskQueue,
          args: [{ thing, release: HOP.target }],
        }),
      ),
    ),
  );
  const events = await countEvents(bench.client, ['updateDevice']);
  return round(events.all / events.runs, 1);
}

async function withWorkers<T>(
  { connection }: Bench,
  options: WorkerOptions[],
  work: () => Promise<T>,
): Promise<T> {
  const workers = await Promise.all(
    options.map((each) =>
      Worker.create({ connection, maxHeartbeatThrottleInterval: '500 milliseconds', ...each }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  try {
    return await work();
  } finally {
    for (const worker of workers) worker.shutdown();
    await running;
  }
}
