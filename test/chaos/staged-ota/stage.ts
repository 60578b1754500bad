import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteThingShadowCommand } from '@aws-sdk/client-iot-data-plane';
import { Client, Connection } from '@temporalio/client';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { awsResources } from '../../../activities/aws/provision';
import { isAwsError } from '../../../activities/failure';
import { applyProvisioning } from '../../../activities/provision/provision';
import { placeOf } from '../../../domain/policy/place';
import { shellFirmware } from '../../../local/demo/firmware';
import { createPublisher, type Firmware } from '../../../local/demo/publisher';
import { startHostedFleet, type HostedFleet } from '../../../local/fleet/hosted';
import { serveRepository, type RepositoryServer } from '../../../local/fleet/repository-server';
import { startStack, type Stack } from '../../../local/stack';
import { startChild, type Child } from '../../../local/stack/child';
import { startTemporal, type TemporalServer } from '../../../local/stack/temporal';

export const OLD = '1.0.0';
/** One that works, and two that do not, in their own way: one is undone by the device itself, one by the rollout. */
export const BUILDS = { good: '1.1.0', crash: '1.2.0', sick: '1.3.0' } as const;
export type Build = keyof typeof BUILDS;
export const targetOf = (version: string): string => `pump/${version}.tar`;

const ROOT = resolve(__dirname, '..', '..', '..');
const SITES = ['oslo', 'turin', 'lyon'];
const HARDWARE = ['rev-a'];
const READY_WITHIN_MS = 60_000;
const HOSTS = 3;

export interface OtaChaosStage {
  aws: AwsClients;
  accountId: string;
  fleet: HostedFleet;
  temporal: Client;
  /** What can be killed, by name; resolves with what starts it again. */
  victims: Record<string, () => Promise<() => Promise<void>>>;
  /** True where the worker had ended by itself, and was started. */
  ensureWorker(): Promise<boolean>;
  /** Devices from the factory, of which the cloud knows no report. */
  freshFleet(): Promise<void>;
  stop(): Promise<void>;
}

export interface StageOptions {
  devices: number;
  dir: string;
  log: (line: string) => void;
}

export async function setStage(options: StageOptions): Promise<OtaChaosStage> {
  const cleanUp: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of cleanUp.splice(0).reverse()) await each();
  };
  try {
    return { ...(await furnish(options, cleanUp)), stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

type CleanUp = (() => Promise<unknown>)[];

async function furnish(options: StageOptions, cleanUp: CleanUp) {
  const { dir, log } = options;
  mkdirSync(dir, { recursive: true });
  const [stack, publisher] = await Promise.all([
    startStack({ dir, log }),
    createPublisher(dir, HARDWARE, log),
  ]);
  cleanUp.push(() => stack.stop());
  const { emulator } = stack;
  const aws = createAwsClients(emulator);
  const place = placeOf(emulator.region, emulator.accountId);
  const spec = { place, sites: SITES, hardware: HARDWARE, webhookUrl: null };
  await applyProvisioning(awsResources(aws, spec));
  const server = await serveRepository(publisher.publicDir);
  cleanUp.push(() => server.stop());
  const [fleet] = await Promise.all([
    startFleetOf(options, stack, { ...server, rootFile: publisher.rootFile }),
    publishAll(publisher),
  ]);
  cleanUp.push(() => fleet.stop());
  const servers = keepTemporal(stack, dir);
  cleanUp.push(() => servers.stop());
  const worker = new Worker(() => startWorker(stack, dir, server, publisher.rootFile));
  await worker.start();
  cleanUp.push(() => worker.stop());
  const connection = await Connection.connect({ address: stack.temporal.address });
  cleanUp.push(() => connection.close());
  const temporal = new Client({ connection, namespace: stack.temporal.namespace });
  return {
    ...{ aws, fleet, temporal, accountId: emulator.accountId },
    victims: {
      worker: () => worker.kill(),
      temporal: () => servers.kill(),
      ...hostsOf(fleet),
    },
    ensureWorker: () => worker.ensure(),
    freshFleet: async () => {
      await forgetShadows(aws, fleet);
      await fleet.asNew();
    },
  };
}

const hostsOf = (fleet: HostedFleet): OtaChaosStage['victims'] =>
  Object.fromEntries(
    fleet.pids.map((_, index) => [
      `agents-${index}`,
      async () => {
        const startAgain = await fleet.cut(index);
        return () => {
          startAgain();
          return Promise.resolve();
        };
      },
    ]),
  );

/** Unwell a while after each start, which is after its device confirmed it. */
const SICK: Firmware = { 'fault.sh': `( sleep 2; echo '{"health":"unhealthy"}' ) &\n` };

async function publishAll(publisher: Awaited<ReturnType<typeof createPublisher>>): Promise<void> {
  await publisher.ship(OLD, await shellFirmware(OLD, null));
  const back = { revertsTo: [OLD] };
  const { good, crash, sick } = BUILDS;
  await publisher.ship(good, await shellFirmware(good, null), back);
  await publisher.ship(crash, await shellFirmware(crash, 'crash'), back);
  await publisher.ship(sick, { ...(await shellFirmware(sick, null)), ...SICK }, back);
}

function startFleetOf(
  { devices, dir, log }: StageOptions,
  { emulator }: Stack,
  { metadataUrl, targetsUrl, rootFile }: RepositoryServer & { rootFile: string },
): Promise<HostedFleet> {
  return startHostedFleet({
    emulator,
    dir: join(dir, 'fleet'),
    processes: HOSTS,
    telemetryIntervalMs: 2_000,
    minGapMs: 200,
    log,
    devices: Array.from({ length: devices }, (_, index) => ({
      thing: `pump-${String(index + 1).padStart(3, '0')}`,
      site: SITES[index % SITES.length] ?? '',
      hardware: HARDWARE[0] ?? '',
    })),
    updates: {
      ...{ metadataUrl, targetsUrl, rootFile },
      confirmMs: 1_500,
      connectWithinMs: 30_000,
      health: { kind: 'command', command: 'sh', args: ['health.sh'] },
    },
  });
}

/** Without what devices said of an earlier rollout, neither gate nor penalty box can go by it. */
async function forgetShadows({ iotData }: AwsClients, { devices }: HostedFleet): Promise<void> {
  for (const { thing } of devices)
    await iotData.send(new DeleteThingShadowCommand({ thingName: thing })).catch((err: unknown) => {
      if (!isAwsError(err, 'ResourceNotFoundException')) throw err;
    });
}

/** The server of the stack first, and then each that took its place, at the same address over the same database. */
function keepTemporal({ temporal }: Stack, dir: string) {
  let current: Pick<TemporalServer, 'pid' | 'exited' | 'stop'> = temporal;
  const port = Number(temporal.address.split(':')[1]);
  const uiPort = Number(new URL(temporal.uiUrl).port);
  return {
    kill: async () => {
      process.kill(current.pid, 'SIGKILL');
      await current.exited;
      return async () => {
        current = await startTemporal({ dir, port, uiPort });
      };
    },
    stop: () => current.stop(),
  };
}

class Worker {
  private child: Child | null = null;

  constructor(private readonly begin: () => Child) {}

  async start(): Promise<void> {
    const child = this.begin();
    this.child = child;
    const deadline = Date.now() + READY_WITHIN_MS;
    while (child.running() && !child.tail().includes('worker ready')) {
      if (Date.now() > deadline) throw new Error(`the worker did not start:\n${child.tail()}`);
      await sleep(50);
    }
  }

  async kill(): Promise<() => Promise<void>> {
    this.child?.kill('SIGKILL');
    await this.child?.exited;
    return () => this.start();
  }

  async ensure(): Promise<boolean> {
    if (this.child?.running() === true) return false;
    await this.start();
    return true;
  }

  async stop(): Promise<void> {
    await this.child?.stop();
  }
}

function startWorker(
  { emulator, temporal }: Stack,
  dir: string,
  { metadataUrl }: RepositoryServer,
  rootFile: string,
): Child {
  return startChild({
    name: 'worker',
    command: process.execPath,
    args: ['--import', 'tsx', join(ROOT, 'workers', 'main.ts')],
    cwd: ROOT,
    dir,
    env: {
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      AWS_ENDPOINT_URL: emulator.endpoint,
      AWS_REGION: emulator.region,
      AWS_ACCOUNT_ID: emulator.accountId,
      AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
      RUNBOOKS_DIR: join(ROOT, 'runbooks'),
      APPROVERS_FILE: join(dir, 'approvers.json'),
      RELEASES_FROM: new URL(metadataUrl).origin,
      RELEASES_ROOT: rootFile,
      LOG_LEVEL: 'warn',
    },
  });
}
