import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import { createGuardTable } from '../../activities/aws/guard-table';
import { createIotConnections } from '../../activities/aws/iot-connections';
import { createIotLogging } from '../../activities/aws/iot-logging';
import { createIotRegistry } from '../../activities/aws/iot-registry';
import { createGuard } from '../../activities/guard/guard';
import { readDevice, type DeviceState } from '../../activities/quarantine/snapshot';
import type { Guard } from '../../domain/guard/types';
import { NAMES } from '../../domain/names';
import { enrolThing, provisionAccount } from '../../local/bed/account';
import { startDevice, type BedDevice } from '../../local/bed/device';
import { startAwsProxy, type AwsCall, type AwsProxy } from '../../local/proxies/aws-proxy';
import { deviceKey } from '../../local/stack/device-keys';
import { startEmulator } from '../../local/stack/emulator';
import { eventually } from '../support/devices';
import { readyProcess, runMain, type Outcome } from '../support/processes';

/** A provisioned account with a fleet and one worker, and the commands that responders have. */
export interface GuardedFleet {
  /** Between the worker and the emulator. */
  proxy: AwsProxy;
  temporal: Client;
  guard: Guard;
  /** Enrols the thing without an agent: it is offline. */
  enrol(thing: string): Promise<void>;
  /** Enrols the thing and runs its agent. */
  startAgent(thing: string): Promise<void>;
  /** Drops the device's session and returns once its agent has another one. */
  reconnect(thing: string): Promise<void>;
  /** Groups, certificates with policies and status, log level: past the proxy. */
  deviceState(thing: string): Promise<DeviceState>;
  guardCli(...args: string[]): Promise<Outcome>;
  breakGlass(...args: string[]): Promise<Outcome>;
  close(): Promise<void>;
}

const GUARD = 'triggers/cli/guard/main.ts';

export async function openGuardedFleet(
  temporalAddress: string,
  { fleetSize, approvers }: { fleetSize: number; approvers: string[] },
): Promise<GuardedFleet> {
  const emulator = await startEmulator();
  const { endpoint, region, accountId, credentials } = emulator;
  const clients = createAwsClients({ endpoint, region, credentials });
  await provisionAccount(clients, emulator);
  const guard = guardOf(clients);
  await guard.setFleetSize(fleetSize);
  const dir = await mkdtemp(join(tmpdir(), 'guard-rails-'));
  const files = { approversFile: join(dir, 'approvers.json'), approverKeysDir: join(dir, 'keys') };
  const proxy = await startAwsProxy({ upstream: endpoint });
  const environment = {
    AWS_REGION: region,
    AWS_ACCOUNT_ID: accountId,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL: endpoint,
    TEMPORAL_ADDRESS: temporalAddress,
    APPROVERS_FILE: files.approversFile,
    APPROVER_KEYS_DIR: files.approverKeysDir,
  };
  for (const name of approvers) await runMain(GUARD, ['approver', 'add', name], environment);
  const worker = await readyProcess('workers/main.ts', 'worker ready', {
    ...environment,
    AWS_ENDPOINT_URL: proxy.endpoint,
    LOG_LEVEL: 'error',
  });
  const connection = await Connection.connect({ address: temporalAddress });
  const temporal = new Client({ connection });
  const opened = new Date();
  const agents: BedDevice[] = [];
  return {
    ...{ proxy, temporal, guard },
    enrol: async (thing) => {
      await enrolThing(clients, emulator, { thing, csrPem: (await deviceKey(thing)).csrPem });
    },
    startAgent: async (thing) => {
      agents.push(await startDevice(clients, emulator, thing));
    },
    reconnect: async (thing) => {
      const connections = createIotConnections(clients.iotData);
      const { connectedSince } = await connections.get(thing);
      await connections.drop(thing);
      await eventually(
        () => connections.get(thing),
        (now) => now.connected && now.connectedSince !== connectedSince,
      );
    },
    deviceState: (thing) =>
      readDevice(
        {
          registry: createIotRegistry(clients.iot),
          logging: createIotLogging(clients.iot, clients.logs),
        },
        thing,
      ),
    guardCli: (...args) => runMain(GUARD, args, environment),
    breakGlass: (...args) => runMain('triggers/cli/break-glass/main.ts', args, environment),
    close: async () => {
      await endRuns(temporal, opened);
      await worker.stop();
      await Promise.all(agents.map((agent) => agent.stop()));
      await connection.close();
      await proxy.stop();
      await emulator.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const guardOf = ({ dynamo }: AwsClients): Guard =>
  createGuard({
    table: createGuardTable(dynamo, NAMES.guardTable),
    approverKeys: () => Promise.resolve([]),
    now: () => Date.now(),
  });

/** Runs that stay open would be worked on by the next file's worker, on another account. */
async function endRuns({ workflow, connection }: Client, since: Date): Promise<void> {
  // A server of this file alone has ended already, and its runs with it.
  if (!(await serves(connection))) return;
  const query = `ExecutionStatus = 'Running' AND StartTime >= '${since.toISOString()}'`;
  for await (const { workflowId } of workflow.list({ query }))
    await workflow
      .getHandle(workflowId)
      .terminate('the test is over')
      .catch(() => undefined);
}

const serves = (connection: Client['connection']): Promise<boolean> =>
  connection.withDeadline(Date.now() + 2_000, () =>
    connection.workflowService.getSystemInfo({}).then(
      () => true,
      () => false,
    ),
  );

/** What the worker changed at AWS, its own book-keeping in the guard's table left out. */
export const changesAtAws = (proxy: AwsProxy): AwsCall[] =>
  proxy.calls().filter(({ mutating, service }) => mutating && service !== 'dynamodb');

export const inWords = (calls: AwsCall[]): string[] =>
  calls.map(({ service, operation, target }) => `${service}.${operation} ${target ?? ''}`);
