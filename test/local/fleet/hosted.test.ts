import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { awsResources } from '../../../activities/aws/provision';
import { applyProvisioning } from '../../../activities/provision/provision';
import { placeOf } from '../../../domain/policy/place';
import { shellFirmware, type BadBuild } from '../../../local/demo/firmware';
import { pack } from '../../../local/demo/publisher';
import { startHostedFleet, type HostedFleet } from '../../../local/fleet/hosted';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { createJob, eventually, readExecution } from '../../support/devices';
import { createRepository } from '../../support/tuf-repository';
import { serveRepository, type RepositoryServer } from '../../support/tuf-server';

const THINGS = ['hosted-1', 'hosted-2', 'hosted-3', 'hosted-4'];
const BUILDS = ['crash', 'hang', 'network'] as const;
const dir = mkdtempSync(join(tmpdir(), 'hosted-'));
let emulator: Emulator;
let clients: AwsClients;
let server: RepositoryServer;
let fleet: HostedFleet;

beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  const place = placeOf(emulator.region, emulator.accountId);
  const spec = { place, sites: ['north'], hardware: ['v1'], webhookUrl: null };
  const repository = createRepository(join(dir, 'repository'));
  for (const [index, build] of [null, ...BUILDS].entries())
    repository.addTarget(...(await targetOf(build, index + 2)));
  repository.publish();
  server = await serveRepository(repository);
  await applyProvisioning(awsResources(clients, spec));
  fleet = await startHostedFleet({
    emulator,
    dir: join(dir, 'fleet'),
    devices: THINGS.map((thing) => ({ thing, site: 'north', hardware: 'v1' })),
    telemetryIntervalMs: 1_000,
    processes: 2,
    ownNetworks: true,
    applicationEnv: { SAMPLE_APP_WAVE_FILE: join(dir, 'wave') },
    updates: {
      metadataUrl: server.metadataUrl,
      targetsUrl: server.targetsUrl,
      rootFile: repository.rootFile,
      confirmMs: 1_000,
      connectWithinMs: 2_000,
      checkTimeoutMs: 500,
      health: { kind: 'command', command: 'sh', args: ['health.sh'] },
    },
  });
}, 60_000);

afterAll(async () => {
  await fleet.stop();
  await server.close();
  await emulator.stop();
  rmSync(dir, { recursive: true, force: true });
});

const nameOf = (build: BadBuild | null): string => `pump/${build ?? 'good'}.tar`;

async function targetOf(build: BadBuild | null, release: number) {
  const version = build ?? 'good';
  const tar = await pack(join(dir, 'build', version), version, await shellFirmware(version, build));
  const custom = { version, release, securityEpoch: 0, hardware: ['v1'] };
  return [nameOf(build), readFileSync(tar), custom] as const;
}

async function install(thing: string, build: BadBuild | null) {
  const jobId = `${thing}-${build ?? 'good'}`;
  const document = { version: 1, requestedBy: 'test', operation: 'install', target: nameOf(build) };
  await createJob(emulator, clients.iot, { jobId, thing, document: JSON.stringify(document) });
  const { status, statusDetails } = await eventually(
    () => readExecution(clients.iot, thing, jobId),
    (execution) => execution.status === 'SUCCEEDED' || execution.status === 'FAILED',
    30_000,
  );
  return `${status ?? ''} ${statusDetails?.detailsMap?.['reason'] ?? ''}`.trim();
}

const deviceOf = (thing: string) => {
  const device = fleet.devices.find((each) => each.thing === thing);
  if (device === undefined) throw new Error(`no ${thing}`);
  return device;
};

it('runs real agents, many in a process, that take good builds and go back from bad ones', async () => {
  expect(
    await Promise.all([
      install('hosted-1', null),
      install('hosted-2', 'crash'),
      install('hosted-3', 'hang'),
      install('hosted-4', 'network'),
    ]),
  ).toEqual([
    'SUCCEEDED',
    'FAILED the application ended: exit code 70',
    'FAILED sh: still running after 500 ms',
    expect.stringContaining('FAILED no connection to the cloud for '),
  ]);
  expect(fleet.devices.map((device) => device.installed().target)).toEqual([
    nameOf(null),
    ...[null, null, null],
  ]);
  expect(existsSync(join(dir, 'fleet', 'cut', 'hosted-4'))).toBe(false);
  const ways = fleet.switches().map(({ thing, way }) => `${thing} ${way}`);
  expect(ways.sort()).toEqual([
    'hosted-1 on',
    ...['hosted-2', 'hosted-3', 'hosted-4'].flatMap((thing) => [`${thing} back`, `${thing} on`]),
  ]);
  expect(deviceOf('hosted-1').installed()).toMatchObject({ active: 'b', version: 'good' });
}, 60_000);
