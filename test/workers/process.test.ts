import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createAwsClients } from '../../activities/aws/clients';
import { quarantineId } from '../../domain/ids';
import type { QuarantineInput, QuarantineResult } from '../../domain/quarantine/types';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';
import { enrolThing, provisionAccount } from '../../local/bed/account';
import { startAwsProxy, type AwsProxy } from '../../local/proxies/aws-proxy';
import type { Child } from '../../local/stack/child';
import { deviceKey } from '../../local/stack/device-keys';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import { freePort } from '../../local/stack/free-port';
import { eventually } from '../support/devices';
import { readyProcess, runMain } from '../support/processes';
import { temporalAddress } from '../support/temporal';

type Quarantine = (input: QuarantineInput) => Promise<QuarantineResult>;
const THING = 'worker-01';

let emulator: Emulator;
let connection: Connection;
let temporal: Client;
let environment: Record<string, string>;
const started: Child[] = [];
const proxies: AwsProxy[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, accountId, credentials } = emulator;
  const clients = createAwsClients({ endpoint, region, credentials });
  await provisionAccount(clients, emulator);
  await enrolThing(clients, emulator, { thing: THING, csrPem: (await deviceKey(THING)).csrPem });
  const address = await temporalAddress();
  environment = {
    TEMPORAL_ADDRESS: address,
    AWS_REGION: region,
    AWS_ACCOUNT_ID: accountId,
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    LOG_LEVEL: 'error',
  };
  connection = await Connection.connect({ address });
  temporal = new Client({ connection });
}, 240_000);
afterEach(async () => {
  await Promise.all(started.splice(0).map((worker) => worker.stop()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});
afterAll(async () => {
  await connection.close();
  await emulator.stop();
});

const startWorker = async (over: Record<string, string> = {}): Promise<Child> => {
  const worker = await readyProcess('workers/main.ts', 'worker ready', {
    ...environment,
    ...over,
  });
  started.push(worker);
  return worker;
};
const startProxy = async (): Promise<AwsProxy> => {
  const proxy = await startAwsProxy({ upstream: emulator.endpoint });
  proxies.push(proxy);
  return proxy;
};
const start = (input: Partial<QuarantineInput>) =>
  temporal.workflow.start<Quarantine>(WORKFLOWS.quarantine, {
    workflowId: quarantineId(THING),
    taskQueue: TASK_QUEUES.runbooks,
    args: [{ thing: THING, reason: 'a test', requestedBy: 'bea', ...input }],
  });

describe('a worker process', () => {
  it('serves metrics for Prometheus where it is told to', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    await startWorker({ METRICS_ADDRESS: address });
    const result = await (await start({ dryRun: true })).result();
    expect(result.outcome).toBe('planned');
    const text = await eventually(
      async () => (await fetch(`http://${address}/metrics`)).text(),
      (metrics) => metrics.includes('activity_execution_latency'),
    );
    expect(text).toMatch(/^# TYPE temporal_\w+ /m);
    expect(text).toMatch(/temporal_activity_execution_latency_\w+\{[^}]*activity_type="snapshot"/);
  }, 60_000);

  it('finishes the activity that runs when it is told to end, and ends well', async () => {
    const proxy = await startProxy();
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const reached = new Promise<void>((resolve) => {
      proxy.use({
        before: async ({ operation }) => {
          if (operation !== 'GetEffectivePolicies') return undefined;
          resolve();
          await held;
          return undefined;
        },
      });
    });
    const worker = await startWorker({ AWS_ENDPOINT_URL: proxy.endpoint });
    const run = await start({ dryRun: true });
    await reached;
    worker.kill('SIGTERM');
    // It listens to the signal and still waits for the activity.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(worker.running()).toBe(true);
    letGo();
    expect(await worker.exited).toEqual({ code: 0, signal: null });

    await startWorker();
    expect((await run.result()).outcome).toBe('planned');
    const { events } = await run.fetchHistory();
    const attempts = (events ?? []).flatMap(({ activityTaskStartedEventAttributes: begun }) =>
      begun ? [begun.attempt] : [],
    );
    expect(attempts.length).toBeGreaterThan(0);
    expect(attempts.every((attempt) => attempt === 1)).toBe(true);
  }, 60_000);

  it('ends in its grace although a watch goes on, and another one takes the watch over', async () => {
    const worker = await startWorker();
    const run = await start({ settings: { proveWithin: '1 second' } });
    const watches = async () =>
      ((await run.describe()).raw.pendingActivities ?? [])
        // One that no worker has begun would begin at the next, as a first attempt.
        .filter(
          ({ activityType, lastStartedTime }) =>
            activityType?.name === 'seeRefusal' && lastStartedTime != null,
        )
        .map(({ attempt }) => attempt ?? 0);
    await eventually(watches, (attempts) => attempts.length === 1);
    worker.kill('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    await startWorker();
    await eventually(watches, ([attempt = 0]) => attempt > 1);
    await run.executeUpdate('release', { args: [{ by: 'bea', reason: 'a test' }] });
    await run.terminate('the test is over');
  }, 90_000);

  it('runs runbooks with nothing but reads where it works on the queue of workflows alone', async () => {
    const proxy = await startProxy();
    const refused: string[] = [];
    proxy.use({
      before: ({ mutating, operation }) => {
        if (!mutating) return undefined;
        refused.push(operation);
        return {
          status: 403,
          headers: { 'content-type': 'application/json', 'x-amzn-errortype': 'AccessDenied' },
          body: '{"message":"this role may only read"}',
        };
      },
    });
    const throughProxy = { AWS_ENDPOINT_URL: proxy.endpoint };
    await startWorker({ ...throughProxy, WORKER_QUEUES: 'runbooks' });
    await startWorker({ ...throughProxy, WORKER_QUEUES: 'read' });
    const result = await (await start({ dryRun: true })).result();
    expect(result).toMatchObject({ outcome: 'planned', plan: { targets: [THING] } });
    expect(proxy.calls().map(({ operation }) => operation)).toContain('GetEffectivePolicies');
    expect(refused).toEqual([]);
  }, 60_000);
});

describe('a worker that cannot start', () => {
  it('says in one line that Temporal is unreachable', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const outcome = await runMain('workers/main.ts', [], {
      ...environment,
      TEMPORAL_ADDRESS: address,
    });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr.trim().split('\n')).toEqual([expect.stringContaining(address)]);
  }, 60_000);

  it('says in one line what of its environment is wrong', async () => {
    const outcome = await runMain('workers/main.ts', [], {
      ...environment,
      AWS_REGION: 'nowhere',
      WORKER_QUEUES: 'all',
    });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/AWS_REGION must be.*WORKER_QUEUES/),
    ]);
  }, 30_000);
});
