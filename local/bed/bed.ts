import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import { createGuardTable } from '../../activities/aws/guard-table';
import { createGuard } from '../../activities/guard/guard';
import { COUNTER, KEYS } from '../../activities/guard/items';
import { createStore, provisioned } from '../../activities/guard/store';
import { NAMES } from '../../domain/names';
import { startStack, type Stack } from '../stack';
import { startChild, type Child } from '../stack/child';
import { provisionAccount } from './account';
import { startDevice, type BedDevice } from './device';

export interface Reach {
  temporalAddress: string;
  awsEndpoint: string;
}

/** What a bench or a kill sweep of a runbook stands on: a provisioned account, Temporal, devices and workers. */
export interface Bed {
  stack: Stack;
  /** To the emulator itself, past every proxy. */
  clients: AwsClients;
  temporal: Client;
  addDevice(thing: string): Promise<BedDevice>;
  /** A worker process that reaches Temporal and AWS through these. */
  startWorker(through: Reach): Child;
  /** The same, and waits until it polls. */
  readyWorker(through: Reach): Promise<Child>;
  /**
   * Gives every lease back and forgets the containments of the last minute. Runs of a bench come faster than the guard's
   * rate cap allows, which is not what they measure.
   */
  freshGuard(): Promise<void>;
  /** Owners that the guard counts now. */
  leases(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function startBed(options: {
  log: (line: string) => void;
  /** Where logs are kept; none without it. */
  dir?: string;
}): Promise<Bed> {
  const { log, dir } = options;
  const stack = await startStack({ log, ...(dir !== undefined && { dir }) });
  try {
    return await furnish(stack, options);
  } catch (err) {
    await stack.stop();
    throw err;
  }
}

async function furnish(stack: Stack, options: { dir?: string }): Promise<Bed> {
  const { endpoint, region, credentials } = stack.emulator;
  const clients = createAwsClients({ endpoint, region, credentials });
  await provisionAccount(clients, stack.emulator);
  const connection = await Connection.connect({ address: stack.temporal.address });
  const devices: BedDevice[] = [];
  return {
    stack,
    clients,
    temporal: new Client({ connection, namespace: stack.temporal.namespace }),
    addDevice: async (thing) => {
      const device = await startDevice(clients, stack.emulator, thing);
      devices.push(device);
      return device;
    },
    startWorker: (through) => startWorker(stack, through, options),
    readyWorker: (through) => readyWorker(stack, through, options),
    freshGuard: () => freshGuard(clients),
    leases: async () => (await guardOf(clients).status()).leases.map(({ owner }) => owner),
    stop: async () => {
      await Promise.all(devices.map((device) => device.stop()));
      await connection.close();
      await stack.stop();
    },
  };
}

async function readyWorker(
  stack: Stack,
  through: Reach,
  options: { dir?: string },
): Promise<Child> {
  let ready: () => void = () => undefined;
  const isReady = new Promise<'ready'>((resolve) => (ready = () => resolve('ready')));
  const onLine = (line: string): void => {
    if (line.startsWith('worker ready')) ready();
  };
  const worker = startWorker(stack, through, { ...options, onLine });
  const ended = await Promise.race([isReady, worker.exited]);
  if (ended !== 'ready') throw new Error(`the worker did not start:\n${worker.tail()}`);
  return worker;
}

function startWorker(
  { emulator, temporal }: Stack,
  through: Reach,
  { dir, onLine }: { dir?: string; onLine?: (line: string) => void },
): Child {
  return startChild({
    name: 'worker',
    command: process.execPath,
    args: ['--import', 'tsx', 'workers/main.ts'],
    env: {
      TEMPORAL_ADDRESS: through.temporalAddress,
      TEMPORAL_NAMESPACE: temporal.namespace,
      AWS_ENDPOINT_URL: through.awsEndpoint,
      AWS_REGION: emulator.region,
      AWS_ACCOUNT_ID: emulator.accountId,
      AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
      LOG_LEVEL: 'warn',
    },
    ...(dir !== undefined && { dir }),
    ...(onLine !== undefined && { onLine }),
  });
}

const guardOf = ({ dynamo }: AwsClients) =>
  createGuard({
    table: createGuardTable(dynamo, NAMES.guardTable),
    approverKeys: () => Promise.resolve([]),
    now: () => Date.now(),
  });

async function freshGuard(clients: AwsClients): Promise<void> {
  const guard = guardOf(clients);
  const { leases } = await guard.status();
  for (const { owner, fence, thing } of leases) {
    await guard.giveBack({ owner, fence, things: [thing] });
  }
  const table = createGuardTable(clients.dynamo, NAMES.guardTable);
  const store = createStore({ table, newId: randomUUID, pause: () => Promise.resolve() });
  await store.settle(async () => {
    const snapshot = await store.read([KEYS.counter]);
    const counter = provisioned(snapshot.cell(KEYS.counter, COUNTER));
    await store.commit([store.put(counter, { ...counter.value, recentAutomatic: [] })]);
  });
}
