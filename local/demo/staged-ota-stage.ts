import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import { awsResources } from '../../activities/aws/provision';
import { applyProvisioning } from '../../activities/provision/provision';
import { placeOf } from '../../domain/policy/place';
import { startHostedFleet, type HostedFleet, type HostedFleetOptions } from '../fleet/hosted';
import { serveRepository } from '../fleet/repository-server';
import { startAwsProxy, type AwsProxy } from '../proxies/aws-proxy';
import { startStack, type Stack } from '../stack';
import { createPublisher, type Firmware, type Publisher } from './publisher';
import { startServices, type Services } from './services';

export const SITES = ['oslo', 'turin', 'lyon'];
export const HARDWARE = ['rev-a', 'rev-b'];
/** An alarm on 10 refused publishes in 10 seconds, for each device. */
const ALARM = { periodSeconds: 10, threshold: 10 };
const MEMORY = '/dev/shm';

export interface OtaStage {
  stack: Stack;
  aws: AwsClients;
  /** Between the worker and AWS; counts its calls. */
  proxy: AwsProxy;
  services: Services;
  publisher: Publisher;
  fleet: HostedFleet;
  temporal: Client;
  dir: string;
}

export interface OtaStageOptions {
  devices: number;
  /** Published in this order, each with signed ways back to the first. */
  releases: readonly (readonly [version: string, files: Firmware])[];
  updates: Pick<HostedFleetOptions['updates'], 'confirmMs' | 'connectWithinMs' | 'health'>;
  fleet?: Pick<
    HostedFleetOptions,
    'ownNetworks' | 'telemetryIntervalMs' | 'minGapMs' | 'applicationEnv'
  >;
  dir: string;
  /** What was started, to be stopped in the opposite order. */
  cleanUp: (() => Promise<unknown>)[];
  tell: (line: string) => void;
}

/** In memory where the system has a place for it: hundreds of agents flush what they write. */
export const scratchDir = (): string =>
  mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'iot-runbooks-ota-'));

/** Everything that a rollout needs: Temporal, the AWS emulator, signed releases, worker and pump, a fleet of real agents. */
export async function setTheOtaStage(options: OtaStageOptions): Promise<OtaStage> {
  const { dir, cleanUp, tell } = options;
  const [stack, publisher] = await Promise.all([
    startStack({ dir, log: tell }),
    createPublisher(dir, HARDWARE, tell),
  ]);
  cleanUp.push(() => stack.stop());
  const aws = createAwsClients(stack.emulator);
  const { region, accountId, endpoint } = stack.emulator;
  const place = placeOf(region, accountId);
  const spec = { place, sites: SITES, hardware: HARDWARE, webhookUrl: null };
  const plans = await applyProvisioning(awsResources(aws, spec));
  tell(`provisioned ${plans.length} AWS resources`);
  const [proxy, server] = await Promise.all([
    startAwsProxy({ upstream: endpoint }),
    serveRepository(publisher.publicDir),
  ]);
  cleanUp.push(
    () => proxy.stop(),
    () => server.stop(),
  );
  const kept = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    cleanUp.push(() => started.stop());
    return started;
  };
  const [fleet, services] = await Promise.all([
    kept(startFleetOf(options, stack, { ...server, rootFile: publisher.rootFile })),
    kept(
      startServices(stack, {
        dir,
        awsEndpoint: proxy.endpoint,
        withoutWebhook: true,
        workerEnv: {
          RELEASES_FROM: new URL(server.metadataUrl).origin,
          RELEASES_ROOT: publisher.rootFile,
        },
      }),
    ),
    publishAll(publisher, options.releases),
  ]);
  const connection = await Connection.connect({ address: stack.temporal.address });
  cleanUp.push(() => connection.close());
  const temporal = new Client({ connection, namespace: stack.temporal.namespace });
  return { stack, aws, proxy, services, publisher, fleet, temporal, dir };
}

async function startFleetOf(
  { devices, dir, updates, fleet = {}, tell }: OtaStageOptions,
  { emulator }: Stack,
  repository: Pick<HostedFleetOptions['updates'], 'metadataUrl' | 'targetsUrl' | 'rootFile'>,
): Promise<HostedFleet> {
  const begun = Date.now();
  const started = await startHostedFleet({
    emulator,
    dir: join(dir, 'fleet'),
    devices: Array.from({ length: devices }, (_, index) => deviceAt(index)),
    alarm: ALARM,
    ...fleet,
    updates: { ...pick(repository), ...updates },
    log: tell,
  });
  const seconds = ((Date.now() - begun) / 1_000).toFixed(1);
  tell(
    `${devices} agents enrolled and connected in ${seconds} s, in ${started.pids.length} processes`,
  );
  return started;
}

const pick = ({ metadataUrl, targetsUrl, rootFile }: HostedFleetOptions['updates']) => ({
  metadataUrl,
  targetsUrl,
  rootFile,
});

const deviceAt = (index: number) => ({
  thing: `pump-${String(index + 1).padStart(3, '0')}`,
  site: SITES[index % SITES.length] ?? '',
  hardware: HARDWARE[index % HARDWARE.length] ?? '',
});

async function publishAll(
  publisher: Publisher,
  releases: OtaStageOptions['releases'],
): Promise<void> {
  const [first, ...others] = releases;
  if (first === undefined) return;
  const [version, files] = first;
  await publisher.ship(version, files);
  for (const [newer, bytes] of others) await publisher.ship(newer, bytes, { revertsTo: [version] });
}
