import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CancelJobExecutionCommand } from '@aws-sdk/client-iot';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { AwsClients } from '../../../activities/aws/clients';
import type { Agent } from '../../../device-agent/agent';
import { serveRepository as serveFiles } from '../../../local/fleet/repository-server';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  createCertificate,
  createDevice,
  createJob,
  eventually,
  prepareAccount,
  readExecution,
  type TestDevice,
} from '../../support/devices';
import { makePythonRepository } from '../../support/python-tuf';
import { createRepository, type TufRepository } from '../../support/tuf-repository';
import { serveRepository, type RepositoryServer } from '../../support/tuf-server';
import { configFor, startAgent } from '../agents';
import { Watcher } from '../watcher';

let emulator: Emulator;
let clients: AwsClients;
let watcher: Watcher;
let repository: TufRepository;
let server: RepositoryServer;
const HOST = join(__dirname, '..', '..', '..', 'device-agent', 'host', 'main.ts');
let running: Agent[] = [];
let processes: ChildProcess[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  clients = await prepareAccount(emulator);
  const certificate = await createCertificate(clients.iot);
  watcher = await Watcher.open(emulator, clients.iot, certificate, ['dt/#', '$aws/things/#']);
  repository = createRepository(mkdtempSync(join(tmpdir(), 'updates-')));
  repository.addTarget('pump/1.1.0.tar', artifact(good('1.1.0')), release('1.1.0', 2));
  repository.addTarget('pump/1.2.0.tar', artifact('process.exit(3)'), release('1.2.0', 3));
  repository.addTarget('pump/other.tar', artifact(good('other')), release('other', 9, ['z']));
  repository.publish();
  server = await serveRepository(repository);
}, 60_000);

afterEach(async () => {
  await Promise.all(running.map((agent) => agent.stop()));
  running = [];
  for (const child of processes) child.kill('SIGKILL');
  processes = [];
});

afterAll(async () => {
  await watcher.close();
  await server.close();
  await emulator.stop();
});

const release = (version: string, number: number, hardware = ['b']) => ({
  version,
  release: number,
  securityEpoch: 0,
  hardware,
});

/** Runs until it is stopped, and says which version it is on its topic. */
const good = (version: string): string =>
  `setInterval(() => console.log(JSON.stringify({ publish: {
     topic: 'dt/' + process.env.THING + '/readings', payload: { version: '${version}' } } })), 50);
   process.stdin.on('close', () => process.exit(0)).resume();`;

function artifact(program: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'software-'));
  writeFileSync(join(folder, 'main.js'), program);
  return execFileSync('tar', ['-C', folder, '-cf', '-', 'main.js']);
}

async function newDevice(thing: string): Promise<TestDevice & { slots: string }> {
  const device = await createDevice(clients.iot, thing);
  const slots = join(device.dir, 'slots');
  mkdirSync(join(slots, 'a', 'root'), { recursive: true });
  writeFileSync(join(slots, 'a', 'root', 'main.js'), good('1.0.0'));
  return { ...device, slots };
}

const settings = (device: TestDevice & { slots: string }, confirmMs = 500) => ({
  firmwareVersion: '1.0.0',
  application: {
    command: process.execPath,
    args: ['main.js'],
    env: { THING: device.thing },
    graceMs: 2_000,
    restart: { baseMs: 50, capMs: 200, stableAfterMs: 1_000 },
  },
  updates: {
    metadataUrl: server.metadataUrl,
    targetsUrl: server.targetsUrl,
    rootFile: repository.rootFile,
    dir: join(device.dir, 'updates'),
    installer: { kind: 'slots', dir: device.slots },
    confirmMs,
  },
});

async function start(device: TestDevice & { slots: string }, from: object = {}) {
  const { updates, ...others } = settings(device);
  const overrides = { ...others, updates: { ...updates, ...from } };
  const started = await startAgent(emulator, device, overrides);
  running.push(started.agent);
  return started;
}

async function offer(device: TestDevice, jobId: string, target: string) {
  const document = { version: 1, requestedBy: 'test', operation: 'install', target };
  const { thing } = device;
  await createJob(emulator, clients.iot, { jobId, thing, document: JSON.stringify(document) });
}

const ended = (device: TestDevice, jobId: string) =>
  eventually(
    () => readExecution(clients.iot, device.thing, jobId),
    ({ status }) => status !== 'QUEUED' && status !== 'IN_PROGRESS',
    25_000,
  );

async function update(device: TestDevice, jobId: string, target: string) {
  await offer(device, jobId, target);
  const { status, statusDetails } = await ended(device, jobId);
  return { status, ...statusDetails?.detailsMap };
}

const confirmed = ({ slots }: { slots: string }): string => readlinkSync(join(slots, 'confirmed'));

/** The version that the application itself says it is. */
const readsVersion = ({ thing }: TestDevice, version: string) =>
  eventually(
    () => watcher.on(`dt/${thing}/readings`).at(-1)?.body,
    (body) => body?.['version'] === version,
  );

const reportedUpdate = ({ thing }: TestDevice, outcome: string) =>
  eventually(
    () => {
      const { body } = watcher.on(`$aws/things/${thing}/shadow/update`).at(-1) ?? {};
      return JSON.parse(JSON.stringify(body ?? {})) as {
        state?: { reported: { firmware: object; slot: string; update: { outcome: string } } };
      };
    },
    (body) => body.state?.reported.update.outcome === outcome,
  );

it('installs a good release, takes itself back from a bad one and refuses another hardware’s', async () => {
  const device = await newDevice('pump-1');
  await start(device);
  expect(await update(device, 'good', 'pump/1.1.0.tar')).toMatchObject({
    status: 'SUCCEEDED',
    version: '1.1.0',
    from: '1.0.0',
    slot: 'b',
  });
  await readsVersion(device, '1.1.0');
  expect(await reportedUpdate(device, 'SUCCEEDED')).toMatchObject({
    state: { reported: { firmware: { version: '1.1.0' }, slot: 'b' } },
  });
  expect(await update(device, 'bad', 'pump/1.2.0.tar')).toMatchObject({
    status: 'FAILED',
    step: 'confirming',
    reason: 'the application ended: exit code 3',
    slot: 'b',
  });
  await readsVersion(device, '1.1.0');
  await reportedUpdate(device, 'FAILED');
  const refused = await update(device, 'other', 'pump/other.tar');
  expect(refused).toMatchObject({ status: 'REJECTED' });
  expect(refused).toHaveProperty('reason', expect.stringContaining('hardware'));
  expect(await update(device, 'again', 'pump/1.1.0.tar')).toMatchObject({
    status: 'SUCCEEDED',
    reason: 'already installed',
  });
  expect(confirmed(device)).toBe('b');
}, 60_000);

it('does not switch once its job is cancelled, and says so in its shadow', async () => {
  const device = await newDevice('pump-2');
  let held: (() => void) | null = null;
  server.fault('1.1.0.tar', (_request, response) => {
    held = () => response.destroy();
  });
  await start(device);
  await offer(device, 'cancelled', 'pump/1.1.0.tar');
  await eventually(
    () => held,
    (hold) => hold !== null,
  );
  const cancel = { jobId: 'cancelled', thingName: device.thing, force: true };
  await clients.iot.send(new CancelJobExecutionCommand(cancel));
  server.clear();
  const { state } = await reportedUpdate(device, 'FAILED');
  expect(state?.reported).toMatchObject({ slot: 'a', firmware: { version: '1.0.0' } });
  expect(await readExecution(clients.iot, device.thing, 'cancelled')).toMatchObject({
    status: 'CANCELED',
  });
  expect(confirmed(device)).toBe('a');
}, 60_000);

it('goes on where it was when its process is killed on trial', async () => {
  const device = await newDevice('pump-3');
  const file = join(device.dir, 'agents.json');
  const config = configFor(emulator, device, settings(device, 1_500));
  writeFileSync(file, JSON.stringify({ agents: [config] }));
  const first = runAgent(file);
  await offer(device, 'killed', 'pump/1.1.0.tar');
  await first.said('"state":"confirming"');
  first.child.kill('SIGKILL');
  await first.exited;
  expect(confirmed(device)).toBe('a');
  const second = runAgent(file);
  expect(await ended(device, 'killed')).toMatchObject({ status: 'SUCCEEDED' });
  expect(confirmed(device)).toBe('b');
  await readsVersion(device, '1.1.0');
  second.child.kill('SIGTERM');
  await second.exited;
}, 60_000);

function runAgent(file: string) {
  const child = spawn(process.execPath, ['--import', 'tsx', HOST, file], { stdio: 'pipe' });
  processes.push(child);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  return {
    child,
    exited: once(child, 'exit'),
    said: (text: string) =>
      eventually(
        () => log,
        (seen) => seen.includes(text),
        25_000,
      ),
  };
}

it('takes an update from a repository that python-tuf made', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'python-tuf-'));
  const file = join(dir, 'pump.tar');
  writeFileSync(file, artifact(good('1.5.0')));
  const target = { name: 'pump/1.5.0.tar', file, custom: release('1.5.0', 2) };
  const { rootFile } = await makePythonRepository(join(dir, 'python'), [target]);
  const files = await serveFiles(join(dir, 'python'));
  try {
    const device = await newDevice('from-python');
    const { metadataUrl, targetsUrl } = files;
    await start(device, { rootFile, metadataUrl, targetsUrl });
    expect(await update(device, 'from-python', target.name)).toMatchObject({ status: 'SUCCEEDED' });
    await readsVersion(device, '1.5.0');
    expect(confirmed(device)).toBe('b');
  } finally {
    await files.stop();
  }
}, 60_000);
