import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { AttachPolicyCommand, CreatePolicyCommand, DetachPolicyCommand } from '@aws-sdk/client-iot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { AwsClients } from '../../activities/aws/clients';
import { createAgent, type Agent } from '../../device-agent/agent';
import { Watchdog } from '../../device-agent/watchdog';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import {
  createDevice,
  createJob,
  eventually,
  prepareAccount,
  readExecution,
  type TestDevice,
} from '../support/devices';
import { configFor, recordingLog } from './agents';

const ROOT = join(__dirname, '..', '..');
const MINUTE = 60_000;
const silent = pino({ level: 'silent' });

/** A watchdog over an agent that is a few variables, in a time that is set. */
function watched() {
  const state = { connected: true, unread: false, operationMs: null as number | null, at: 0 };
  const done: string[] = [];
  const dog = new Watchdog(
    {
      readEveryMs: 60 * MINUTE,
      staleMs: 5 * MINUTE,
      giveUpMs: 60 * MINUTE,
      operationMs: 15 * MINUTE,
    },
    {
      connected: () => state.connected,
      unread: () => state.unread,
      longestOperation: () =>
        state.operationMs === null ? null : { key: 'job#1', ms: state.operationMs },
    },
    {
      read: () => done.push('read'),
      reconnect: () => done.push('reconnect'),
      giveUp: (reason) => done.push(`give up: ${reason}`),
    },
    silent,
    () => state.at,
  );
  const pass = (minutes: number): void => {
    for (let step = 0; step < minutes * 4; step += 1) {
      state.at += MINUTE / 4;
      dog.check();
    }
  };
  return { state, done, dog, pass };
}

describe('the watchdog', () => {
  it('leaves alone what gets its jobs, and reads them once an hour', () => {
    const { done, pass } = watched();
    pass(150);
    expect(done).toEqual(['read', 'read']);
  });

  it('reconnects again and again, then gives the agent up, once', () => {
    const { state, done, pass } = watched();
    state.unread = true;
    pass(24);
    expect(done).toEqual(Array.from({ length: 4 }, () => 'reconnect'));
    pass(200);
    const last = done.filter((what) => what.startsWith('give up'));
    expect(last).toHaveLength(1);
    // Between one hour and a quarter more: a fleet does not restart together.
    expect(Number(/for (\d+) s/.exec(last[0] ?? '')?.[1])).toBeGreaterThanOrEqual(3_600);
    expect(Number(/for (\d+) s/.exec(last[0] ?? '')?.[1])).toBeLessThanOrEqual(4_530);
  });

  it('starts over when the jobs were read in between', () => {
    const { state, done, pass } = watched();
    for (let times = 0; times < 30; times += 1) {
      state.unread = true;
      pass(4);
      state.unread = false;
      pass(1);
    }
    expect(done.filter((what) => what !== 'read')).toEqual([]);
  });

  it('takes neither weeks offline nor a night asleep for a wedge', () => {
    const { state, done, dog, pass } = watched();
    Object.assign(state, { unread: true, connected: false });
    pass(600);
    Object.assign(state, { connected: true, at: state.at + 14 * 1_440 * MINUTE });
    dog.check();
    expect(done).toEqual([]);
  });

  it('gives up an operation that hangs, connected or not', () => {
    const { state, done, pass } = watched();
    Object.assign(state, { connected: false, operationMs: 14 * MINUTE });
    pass(1);
    expect(done).toEqual([]);
    state.operationMs = 16 * MINUTE;
    pass(1);
    expect(done).toEqual(['give up: operation job#1 runs for 960 s']);
  });
});

describe('an agent whose Jobs replies are swallowed', () => {
  let emulator: Emulator;
  let clients: AwsClients;
  let agent: Agent | null = null;
  let child: ChildProcess | null = null;

  beforeAll(async () => {
    emulator = await startEmulator();
    clients = await prepareAccount(emulator);
    const resource = 'arn:aws:iot:*:*:topic/$aws/things/*/jobs/*';
    const statement = { Effect: 'Deny', Action: 'iot:Receive', Resource: resource };
    const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await clients.iot.send(new CreatePolicyCommand({ policyName: 'swallow', policyDocument }));
  }, 60_000);

  afterEach(async () => {
    await agent?.stop();
    child?.kill('SIGKILL');
  });
  afterAll(() => emulator.stop());

  const swallow = ({ certificateArn: target }: TestDevice) =>
    clients.iot.send(new AttachPolicyCommand({ policyName: 'swallow', target }));
  const deliver = ({ certificateArn: target }: TestDevice) =>
    clients.iot.send(new DetachPolicyCommand({ policyName: 'swallow', target }));
  const quick = { readEveryMs: 300, staleMs: 400, operationMs: 60_000, blockedMs: 60_000 };

  it('reconnects until they come, and then does its jobs', async () => {
    const device = await createDevice(clients.iot, 'wedged');
    await swallow(device);
    const { log, entries } = recordingLog();
    const overrides = {
      answerTimeoutMs: 200,
      reconnect: { baseMs: 1, capMs: 5, stableAfterMs: 1_000 },
    };
    const watchdog = { ...quick, giveUpMs: 600_000 };
    agent = createAgent(configFor(emulator, device, { ...overrides, watchdog }), log);
    await agent.start();
    const reconnects = () => entries.filter(({ event }) => event === 'reconnecting').length;
    await eventually(reconnects, (count) => count >= 2);
    await deliver(device);
    const { thing } = device;
    const asked = { version: 1, requestedBy: 'test', operation: 'diagnostics', verb: 'status' };
    const jobId = 'wedged-status';
    await createJob(emulator, clients.iot, { jobId, thing, document: JSON.stringify(asked) });
    await eventually(
      async () => (await readExecution(clients.iot, thing, jobId)).status,
      (status) => status === 'SUCCEEDED',
    );
  }, 60_000);

  it('ends with an exit code of its own where reconnecting does not help', async () => {
    const device = await createDevice(clients.iot, 'hopeless');
    await swallow(device);
    child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'device-agent', 'main.ts')], {
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'],
        AGENT_THING: device.thing,
        AGENT_HOST: emulator.mqtt.host,
        AGENT_PORT: String(emulator.mqtt.port),
        AGENT_CA_FILE: emulator.mqtt.caFile,
        AGENT_CERT_FILE: device.certFile,
        AGENT_KEY_FILE: device.keyFile,
        AGENT_STATE_DIR: join(device.dir, 'state'),
        AGENT_FIRMWARE_VERSION: '1',
        AGENT_HARDWARE_VERSION: 'b',
        AGENT_RECONNECT_BASE_MS: '1',
        AGENT_WATCHDOG: JSON.stringify({ ...quick, giveUpMs: 1_000 }),
      },
    });
    expect(await once(child, 'exit')).toEqual([70, null]);
  }, 60_000);
});

describe('the heartbeat', () => {
  const HEARTBEAT = join(ROOT, 'device-agent', 'heartbeat.ts');
  const program = (rest: string): ChildProcess => {
    const text = `const { startHeartbeat } = require(${JSON.stringify(HEARTBEAT)});
      const stop = startHeartbeat(1_000, { warn: () => 0 }); ${rest}`;
    return spawn(process.execPath, ['--import', 'tsx', '-e', text], { cwd: ROOT, stdio: 'ignore' });
  };

  it('has a process killed whose event loop stands still, and no other', async () => {
    const stuck = program('setTimeout(() => { for (;;); }, 500);');
    const busy = program(`const until = Date.now() + 4_000;
      const work = () => { const pause = Date.now() + 200; while (Date.now() < pause);
        if (Date.now() < until) setImmediate(work); else process.exit(3); }; work();`);
    const ended = [once(stuck, 'exit'), once(busy, 'exit')];
    expect(await Promise.all(ended)).toEqual([
      [null, 'SIGKILL'],
      [3, null],
    ]);
  }, 30_000);
});
