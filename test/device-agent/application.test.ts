import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AwsClients } from '../../activities/aws/clients';
import type { Agent } from '../../device-agent/agent';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import {
  createCertificate,
  createDevice,
  eventually,
  prepareAccount,
  type TestDevice,
} from '../support/devices';
import { isAlive, sampleApp, startAgent, type LogEntry, type Overrides } from './agents';
import { Watcher } from './watcher';

let emulator: Emulator;
let clients: AwsClients;
let watcher: Watcher;
let running: Agent[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  clients = await prepareAccount(emulator);
  const certificate = await createCertificate(clients.iot);
  watcher = await Watcher.open(emulator, clients.iot, certificate, ['dt/#', 'fleet/#']);
}, 60_000);

afterEach(async () => {
  await Promise.all(running.map((agent) => agent.stop()));
  running = [];
});

afterAll(async () => {
  await watcher.close();
  await emulator.stop();
});

async function start(device: TestDevice, overrides: Overrides) {
  const started = await startAgent(emulator, device, overrides);
  running.push(started.agent);
  return started;
}

const telemetryOf = ({ thing }: TestDevice) => watcher.on(`dt/${thing}/telemetry`);
const readingsOf = ({ thing }: TestDevice) => watcher.on(`dt/${thing}/readings`);
const refusedOf = (device: TestDevice): number =>
  telemetryOf(device).reduce((sum, { body }) => sum + Number(body['refusedPublishes']), 0);

async function furtherReadings(device: TestDevice): Promise<void> {
  const before = readingsOf(device).length;
  await eventually(
    () => readingsOf(device).length,
    (count) => count > before + 1,
  );
}

const startsOf = (entries: LogEntry[]) =>
  entries.filter((entry) => entry.event === 'application started');

/** An application of a few lines. */
const script = (text: string) => ({
  command: process.execPath,
  args: ['-e', text],
  graceMs: 300,
  restart: { baseMs: 20, capMs: 50, stableAfterMs: 10_000 },
});

describe.each([4, 5])('an application that misbehaves over MQTT %s', (protocolVersion) => {
  it('shows as refused publishes while the trigger file is there, and not before', async () => {
    const device = await createDevice(clients.iot, `noisy-${protocolVersion}`);
    const trigger = join(mkdtempSync(join(tmpdir(), 'trigger-')), 'misbehave');
    const application = sampleApp(device, { SAMPLE_APP_TRIGGER_FILE: trigger });
    await start(device, { protocolVersion, application });
    await eventually(
      () => readingsOf(device).length,
      (count) => count > 1,
    );
    expect(refusedOf(device)).toBe(0);
    writeFileSync(trigger, '');
    await eventually(
      () => refusedOf(device),
      (count) => count > 1,
    );
    // Readings come through while the flood goes on, and after it.
    await furtherReadings(device);
    expect(watcher.on(`fleet/broadcast/${device.thing}`)).toEqual([]);
    rmSync(trigger);
    await furtherReadings(device);
  }, 60_000);
});

describe('the supervised application', () => {
  it('loses no reading over a lost connection', async () => {
    const device = await createDevice(clients.iot, 'steady');
    const burst = `let n = 0; setInterval(() => { if (n < 60) console.log(JSON.stringify(
      { publish: { topic: 'dt/steady/readings', payload: { n: n++ } } })) }, 20)`;
    const { entries } = await start(device, { application: script(burst) });
    const connections = () => entries.filter(({ event }) => event === 'connected').length;
    await eventually(
      () => readingsOf(device).length,
      (count) => count > 5,
    );
    // Another client with the same id takes the connection over, as AWS does it.
    const thief = await startAgent(emulator, { ...device, dir: `${device.dir}-2` }, {});
    await thief.agent.stop();
    const numbers = () => new Set(readingsOf(device).map(({ body }) => Number(body['n'])));
    await eventually(
      () => numbers().size,
      (count) => count === 60,
    );
    expect(connections()).toBeGreaterThan(1);
  }, 30_000);

  it('is started again when it ends, and each restart is counted', async () => {
    const device = await createDevice(clients.iot, 'crashing');
    const { entries } = await start(device, { application: script('process.exit(3)') });
    await eventually(
      () => startsOf(entries).length,
      (count) => count > 3,
    );
    await eventually(
      () => telemetryOf(device).some(({ body }) => Number(body['applicationRestarts']) > 0),
      (counted) => counted,
    );
  }, 30_000);

  it('is reported as failed where it can’t be started', async () => {
    const device = await createDevice(clients.iot, 'absent');
    await start(device, { application: { ...script(''), command: '/no/such/program' } });
    await eventually(
      () => telemetryOf(device).at(-1)?.body['application'],
      (state) => state === 'failed',
    );
  }, 30_000);

  it('has its health reported', async () => {
    const device = await createDevice(clients.iot, 'ill');
    const ill = `console.log(JSON.stringify({ health: 'unhealthy' })); setInterval(() => 0, 1e3)`;
    await start(device, { application: script(ill) });
    await eventually(
      () => telemetryOf(device).at(-1)?.body['health'],
      (health) => health === 'unhealthy',
    );
  }, 30_000);

  it('goes with its children, although both ignore SIGTERM', async () => {
    const device = await createDevice(clients.iot, 'family');
    const deaf = `process.on('SIGTERM', () => 0); setInterval(() => 0, 1e3);`;
    const parent = `${deaf} const c = require('node:child_process').spawn(process.execPath,
      ['-e', ${JSON.stringify(deaf)}]); console.log(JSON.stringify(
      { publish: { topic: 'dt/family/readings', payload: { pid: c.pid } } }))`;
    const { agent } = await start(device, { application: script(parent) });
    const said = await eventually(
      () => readingsOf(device),
      (readings) => readings.length > 0,
    );
    const child = Number(said[0]?.body['pid']);
    expect(isAlive(child)).toBe(true);
    running = [];
    await agent.stop();
    await eventually(
      () => isAlive(child),
      (alive) => !alive,
    );
  }, 30_000);

  it('can’t fill the agent’s memory or line with a flood of output', async () => {
    const device = await createDevice(clients.iot, 'flooding');
    const flood = `const line = JSON.stringify({ publish: { topic: 'dt/flooding/readings',
      payload: 1 } }) + '\\n'; const go = () => { while (process.stdout.write(line.repeat(100))); };
      process.stdout.on('drain', go); go()`;
    const { agent, entries } = await start(device, {
      application: script(flood),
      publishing: { maxPerSecond: 10, maxQueued: 20, maxInFlight: 5 },
    });
    await eventually(
      () => entries.some(({ event }) => event === 'application messages dropped'),
      (dropped) => dropped,
    );
    // The first second's ten and the second's, with one more to spare for a slow machine.
    expect(readingsOf(device).length).toBeLessThanOrEqual(30);
    const before = telemetryOf(device).length;
    await eventually(
      () => telemetryOf(device).length,
      (count) => count > before + 3,
    );
    expect(agent.status()['application']).toBe('running');
  }, 30_000);
});
