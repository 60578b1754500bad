import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import { createGuardTable } from '../../activities/aws/guard-table';
import { createGuard } from '../../activities/guard/guard';
import { COUNTER, KEYS } from '../../activities/guard/items';
import { createStore, provisioned } from '../../activities/guard/store';
import type { Guard } from '../../domain/guard/types';
import { NAMES } from '../../domain/names';
import { enrolThing, provisionAccount } from '../../local/bed/account';
import { startDevice, type BedDevice } from '../../local/bed/device';
import { startAwsProxy, type AwsProxy } from '../../local/proxies/aws-proxy';
import { startChild, type Child } from '../../local/stack/child';
import { deviceKey } from '../../local/stack/device-keys';
import { startEmulator, type Emulator, type EmulatorOptions } from '../../local/stack/emulator';
import { addApprovers, type Approvers } from './approvers';

/** A provisioned account with a worker on it, for the runbooks' tests. */
export interface Bed {
  emulator: Emulator;
  /** Between the worker and the emulator. */
  proxy: AwsProxy;
  /** To the emulator itself, past the proxy. */
  clients: AwsClients;
  temporal: Client;
  guard: Guard;
  approvers: Approvers;
  /** What a command needs of the environment to reach the account, past the proxy. */
  awsEnvironment: Record<string, string>;
  /** Enrols the thing and runs its agent. */
  device(thing: string): Promise<BedDevice>;
  /** Enrols the thing without an agent: it is offline. */
  enrol(thing: string): Promise<{ certificateArn: string; certificatePem: string; keyPem: string }>;
  /** So many may be contained at once without a person; the containments of the last minute are forgotten. */
  allowAutomatically(count: number): Promise<void>;
  close(): Promise<void>;
}

/** The first start on a machine installs the emulator and bundles the workflows. */
export const OPEN_TIMEOUT_MS = 240_000;

export async function openBed(
  temporalAddress: string,
  options: EmulatorOptions = {},
): Promise<Bed> {
  const emulator = await startEmulator(options);
  const { endpoint, region, credentials } = emulator;
  const clients = createAwsClients({ endpoint, region, credentials });
  await provisionAccount(clients, emulator);
  const proxy = await startAwsProxy({ upstream: endpoint });
  const dir = await mkdtemp(join(tmpdir(), 'workflow-test-'));
  const approvers = await addApprovers(dir);
  const worker = await readyWorker(emulator, {
    TEMPORAL_ADDRESS: temporalAddress,
    AWS_ENDPOINT_URL: proxy.endpoint,
    APPROVERS_FILE: approvers.file,
  });
  const connection = await Connection.connect({ address: temporalAddress });
  const temporal = new Client({ connection });
  const opened = new Date();
  const devices: BedDevice[] = [];
  const guard = guardOf(clients);
  return {
    ...{ emulator, proxy, clients, temporal, guard, approvers },
    awsEnvironment: { ...awsEnvironment(emulator), AWS_ENDPOINT_URL: endpoint },
    device: async (thing) => {
      const device = await startDevice(clients, emulator, thing);
      devices.push(device);
      return device;
    },
    enrol: async (thing) => {
      const { keyPem, csrPem } = await deviceKey(thing);
      return { ...(await enrolThing(clients, emulator, { thing, csrPem })), keyPem };
    },
    allowAutomatically: async (count) => {
      await guard.setFleetSize(count * 100);
      await forgetRecent(clients);
    },
    close: async () => {
      await endRuns(temporal, opened);
      await Promise.all(devices.map((device) => device.stop()));
      await worker.stop();
      await connection.close();
      await proxy.stop();
      await emulator.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const awsEnvironment = ({ region, accountId, credentials }: Emulator) => ({
  AWS_REGION: region,
  AWS_ACCOUNT_ID: accountId,
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
});

/** The worker as it runs in production, all queues in one process. */
async function readyWorker(emulator: Emulator, env: Record<string, string>): Promise<Child> {
  let ready: (answer: 'ready') => void = () => undefined;
  const isReady = new Promise<'ready'>((resolve) => (ready = resolve));
  const worker = startChild({
    name: 'worker',
    command: process.execPath,
    args: ['--import', 'tsx', 'workers/main.ts'],
    env: { ...awsEnvironment(emulator), ...env, LOG_LEVEL: 'error' },
    stopTimeoutMs: 1_000,
    onLine: (line) => {
      if (line.startsWith('worker ready')) ready('ready');
    },
  });
  if ((await Promise.race([isReady, worker.exited])) !== 'ready')
    throw new Error(`the worker did not start:\n${worker.tail()}`);
  return worker;
}

const guardOf = ({ dynamo }: AwsClients): Guard =>
  createGuard({
    table: createGuardTable(dynamo, NAMES.guardTable),
    approverKeys: () => Promise.resolve([]),
    now: () => Date.now(),
  });

/** Tests come faster than the guard's rate cap allows, which is not what they are about. */
async function forgetRecent({ dynamo }: AwsClients): Promise<void> {
  const table = createGuardTable(dynamo, NAMES.guardTable);
  const store = createStore({ table, newId: randomUUID, pause: () => Promise.resolve() });
  await store.settle(async () => {
    const counter = provisioned((await store.read([KEYS.counter])).cell(KEYS.counter, COUNTER));
    await store.commit([store.put(counter, { ...counter.value, recentAutomatic: [] })]);
  });
}

/** Runs that stay open would be worked on by the next file's worker, on another account. */
async function endRuns({ workflow }: Client, since: Date): Promise<void> {
  const query = `ExecutionStatus = 'Running' AND StartTime >= '${since.toISOString()}'`;
  const ending: Promise<unknown>[] = [];
  try {
    for await (const { workflowId } of workflow.list({ query }))
      ending.push(workflow.getHandle(workflowId).terminate('the test is over'));
  } catch {
    // A server that a file starts for itself is stopped first.
  }
  await Promise.allSettled(ending);
}
