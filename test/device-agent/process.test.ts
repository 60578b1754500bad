import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AwsClients } from '../../activities/aws/clients';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import {
  createCertificate,
  createDevice,
  createJob,
  eventually,
  prepareAccount,
  readExecution,
  type TestDevice,
} from '../support/devices';
import { SAMPLE_APP, configFor, isAlive, sampleApp, type LogEntry } from './agents';
import { Watcher } from './watcher';

const ROOT = join(__dirname, '..', '..');
let emulator: Emulator;
let clients: AwsClients;
let watcher: Watcher;
let bundle: string;
let processes: ChildProcess[] = [];
/** Applications that a failed test would leave behind. */
let orphans: number[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  clients = await prepareAccount(emulator);
  const certificate = await createCertificate(clients.iot);
  watcher = await Watcher.open(emulator, clients.iot, certificate, ['dt/#', '$aws/events/#']);
  await promisify(execFile)('npm', ['run', '-s', 'build:agent'], { cwd: ROOT });
  // A folder with nothing else in it: no node_modules anywhere above.
  bundle = join(mkdtempSync(join(tmpdir(), 'bundle-')), 'device-agent.js');
  copyFileSync(join(ROOT, 'dist', 'device-agent.js'), bundle);
}, 120_000);

afterEach(() => {
  for (const child of processes) child.kill('SIGKILL');
  processes = [];
  for (const pid of orphans.filter(isAlive)) process.kill(pid, 'SIGKILL');
  orphans = [];
});

afterAll(async () => {
  await watcher.close();
  await emulator.stop();
});

function envOf(device: TestDevice): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    AGENT_THING: device.thing,
    AGENT_HOST: emulator.mqtt.host,
    AGENT_PORT: String(emulator.mqtt.port),
    AGENT_CA_FILE: emulator.mqtt.caFile,
    AGENT_CERT_FILE: device.certFile,
    AGENT_KEY_FILE: device.keyFile,
    AGENT_STATE_DIR: join(device.dir, 'state'),
    AGENT_FIRMWARE_VERSION: '1',
    AGENT_HARDWARE_VERSION: 'b',
    AGENT_TELEMETRY_MS: '100',
    AGENT_APP_COMMAND: process.execPath,
    AGENT_APP_ARGS: JSON.stringify([SAMPLE_APP]),
    AGENT_APP_ENV: JSON.stringify({ SAMPLE_APP_THING: device.thing }),
  };
}

/** Runs a program and keeps what it logs, one JSON object a line. */
function run(args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  processes.push(child);
  const entries: LogEntry[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    entries.push(JSON.parse(line) as LogEntry);
  });
  const seen = (event: string) =>
    eventually(
      () => entries.filter((entry) => entry.event === event),
      (found) => found.length > 0,
    );
  return { child, entries, seen };
}

const pidOf = (entries: LogEntry[]): number => Number(entries.at(-1)?.['pid']);

/** `pid` of pino's own is overwritten by the event's. */
async function applicationPid(agent: ReturnType<typeof run>): Promise<number> {
  return pidOf(await agent.seen('application started'));
}

const telemetryOf = (thing: string) => watcher.on(`dt/${thing}/telemetry`);
const flows = (thing: string) =>
  eventually(
    () => telemetryOf(thing).length,
    (count) => count > 2,
  );

describe('the bundle, alone in a folder', () => {
  it('connects, and leaves no process after SIGTERM', async () => {
    const device = await createDevice(clients.iot, 'bundled');
    const agent = run([bundle], envOf(device));
    const application = await applicationPid(agent);
    await flows(device.thing);
    expect(isAlive(application)).toBe(true);
    agent.child.kill('SIGTERM');
    const [code] = (await once(agent.child, 'exit')) as [number | null];
    expect(code).toBe(0);
    expect(isAlive(application)).toBe(false);
    const ends = watcher.on(`$aws/events/presence/disconnected/${device.thing}`);
    expect(ends.map(({ body }) => body['disconnectReason'])).toEqual([
      'CLIENT_INITIATED_DISCONNECT',
    ]);
  }, 30_000);

  it('says everything that is wrong with its configuration and exits with 2', async () => {
    const attempt = promisify(execFile)(process.execPath, [bundle], { env: { AGENT_PORT: 'x' } });
    await expect(attempt).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/AGENT_THING[\s\S]*AGENT_PORT[\s\S]*AGENT_KEY_FILE/) as unknown,
    });
  });

  it('explains itself', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [bundle, '--help']);
    expect(stdout).toContain('AGENT_STATE_DIR');
  });
});

describe('an agent killed between IN_PROGRESS and SUCCEEDED', () => {
  it('ends the job once after its restart, contained, and ends the orphaned application', async () => {
    const device = await createDevice(clients.iot, 'killed');
    const env = {
      ...envOf(device),
      AGENT_APP_GRACE_MS: '60000',
      AGENT_APP_ENV: JSON.stringify({
        SAMPLE_APP_THING: device.thing,
        SAMPLE_APP_IGNORE_SIGTERM: '1',
      }),
    };
    const first = run([bundle], env);
    const application = await applicationPid(first);
    orphans.push(application);
    await flows(device.thing);
    const document = JSON.stringify({
      version: 1,
      requestedBy: 'quarantine/killed',
      operation: 'contain',
      reason: 'test',
    });
    await createJob(emulator, clients.iot, { jobId: 'killed-contain', thing: 'killed', document });
    await first.seen('job started');
    const journal = join(device.dir, 'state', 'journal.json');
    // Killed before this, it would take the whole grace again after its restart.
    await eventually(
      () => (existsSync(journal) ? readFileSync(journal, 'utf8') : ''),
      (text) => text.includes('"reason":"test"'),
    );
    const execution = () => readExecution(clients.iot, 'killed', 'killed-contain');
    expect((await execution()).status).toBe('IN_PROGRESS');
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    expect(isAlive(application)).toBe(true);

    const second = run([bundle], env);
    const ended = await eventually(execution, ({ status }) => status !== 'IN_PROGRESS');
    expect(ended).toMatchObject({ status: 'SUCCEEDED', versionNumber: 3 });
    // A killed orphan stays a zombie until init has reaped it.
    await eventually(
      () => isAlive(application),
      (alive) => !alive,
    );
    expect(second.entries.map(({ event }) => event)).not.toContain('application started');

    const third = await restarted(second, env);
    await third.seen('connected');
    expect((await execution()).versionNumber).toBe(3);
  }, 60_000);

  async function restarted(agent: ReturnType<typeof run>, env: Record<string, string>) {
    agent.child.kill('SIGTERM');
    await once(agent.child, 'exit');
    return run([bundle], env);
  }
});

describe('a host of fifty agents', () => {
  it('connects all of them in one process and ends them all on SIGTERM', async () => {
    const certificate = await createCertificate(clients.iot);
    const things = Array.from({ length: 50 }, (_, index) => `hosted-${index}`);
    const devices = await Promise.all(
      things.map((thing) => createDevice(clients.iot, thing, certificate)),
    );
    const agents = devices.map((device, index) =>
      configFor(emulator, device, {
        telemetryIntervalMs: 500,
        protocolVersion: index % 2 === 0 ? 5 : 4,
        application: index === 0 ? sampleApp(device) : null,
      }),
    );
    const file = join(certificate.keyFile, '..', 'agents.json');
    writeFileSync(file, JSON.stringify({ agents }));
    expect(readFileSync(file, 'utf8')).not.toContain('PRIVATE KEY');
    const main = join(ROOT, 'device-agent', 'host', 'main.ts');
    const host = run(['--import', 'tsx', main, file], { PATH: process.env['PATH'] ?? '' });
    await eventually(
      () => things.filter((thing) => telemetryOf(thing).length > 1).length,
      (count) => count === things.length,
      40_000,
    );
    const application = pidOf(await host.seen('application started'));
    host.child.kill('SIGTERM');
    const [code] = (await once(host.child, 'exit')) as [number | null];
    expect(code).toBe(0);
    expect(isAlive(application)).toBe(false);
  }, 60_000);
});
