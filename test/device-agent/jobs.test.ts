import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AwsClients } from '../../activities/aws/clients';
import type { Agent } from '../../device-agent/agent';
import { telemetryTopic } from '../../domain/device-protocol/topics';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import {
  allowTelemetry,
  createCertificate,
  createDevice,
  createJob,
  denyTelemetry,
  eventually,
  prepareAccount,
  readExecution,
  type TestDevice,
} from '../support/devices';
import { isAlive, sampleApp, startAgent, type LogEntry, type Overrides } from './agents';
import { Watcher } from './watcher';

let emulator: Emulator;
let clients: AwsClients;
let watcher: Watcher;
let running: Agent[] = [];
let devices = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  clients = await prepareAccount(emulator);
  const certificate = await createCertificate(clients.iot);
  watcher = await Watcher.open(emulator, clients.iot, certificate, ['dt/#', '$aws/things/#']);
}, 60_000);

afterEach(async () => {
  await Promise.all(running.map((agent) => agent.stop()));
  running = [];
});

afterAll(async () => {
  await watcher.close();
  await emulator.stop();
});

const subject = { version: 1, requestedBy: 'quarantine/test' };
const contain = JSON.stringify({ ...subject, operation: 'contain', reason: 'floods' });
const resume = JSON.stringify({ ...subject, operation: 'resume' });
const status = JSON.stringify({ ...subject, operation: 'diagnostics', verb: 'status' });
const probe = (nonce: string) => JSON.stringify({ ...subject, operation: 'probe', nonce });

const newDevice = (): Promise<TestDevice> => createDevice(clients.iot, `device-${(devices += 1)}`);

async function start(device: TestDevice, overrides: Overrides = {}) {
  const started = await startAgent(emulator, device, overrides);
  running.push(started.agent);
  return started;
}

async function stop(agent: Agent): Promise<void> {
  running = running.filter((other) => other !== agent);
  await agent.stop();
}

async function finishJob(device: TestDevice, jobId: string, document: string) {
  await createJob(emulator, clients.iot, { jobId, thing: device.thing, document });
  return finished(device, jobId);
}

/** The execution once it is terminal. */
function finished(device: TestDevice, jobId: string) {
  return eventually(
    () => readExecution(clients.iot, device.thing, jobId),
    ({ status: now }) => now !== 'QUEUED' && now !== 'IN_PROGRESS',
  );
}

const telemetryOf = (device: TestDevice) => watcher.on(telemetryTopic(device.thing));
const telemetryFlows = (device: TestDevice) => {
  const before = telemetryOf(device).length;
  return eventually(
    () => telemetryOf(device).length,
    (count) => count > before + 2,
  );
};
const eventsOf = (entries: LogEntry[], event: string) =>
  entries.filter((entry) => entry.event === event);

async function applicationPid(entries: LogEntry[]): Promise<number> {
  const started = () => eventsOf(entries, 'application started').at(-1)?.['pid'];
  return Number(await eventually(started, (pid) => pid !== undefined));
}

describe.each([4, 5])('over MQTT %s', (protocolVersion) => {
  it('runs a job that was pending before it connected', async () => {
    const device = await newDevice();
    const jobId = `${device.thing}-pending`;
    await createJob(emulator, clients.iot, { jobId, thing: device.thing, document: status });
    await start(device, { protocolVersion });
    const execution = await finished(device, jobId);
    expect(execution).toMatchObject({ status: 'SUCCEEDED' });
    expect(execution.statusDetails?.detailsMap).toMatchObject({
      firmware: '1.2.3',
      contained: 'false',
    });
  });

  it('runs a job that it is notified of, and reports telemetry and shadow', async () => {
    const device = await newDevice();
    await start(device, { protocolVersion });
    await telemetryFlows(device);
    expect(telemetryOf(device)[0]?.body).toMatchObject({ sequence: 0, application: 'stopped' });
    const shadow = `$aws/things/${device.thing}/shadow/update/accepted`;
    await eventually(
      () => watcher.on(shadow).length,
      (count) => count > 0,
    );
    const execution = await finishJob(device, `${device.thing}-notified`, status);
    expect(execution.status).toBe('SUCCEEDED');
  });

  it('stops the application and falls silent on contain, stays so after a restart, and resumes', async () => {
    const device = await newDevice();
    const settings = { protocolVersion, application: sampleApp(device) };
    const { agent, entries } = await start(device, settings);
    const pid = await applicationPid(entries);
    await eventually(
      () => watcher.on(`dt/${device.thing}/readings`).length,
      (count) => count > 0,
    );
    await telemetryFlows(device);

    const contained = await finishJob(device, `${device.thing}-contain`, contain);
    expect(contained.status).toBe('SUCCEEDED');
    expect(contained.statusDetails?.detailsMap).toMatchObject({
      contained: 'true',
      application: 'stopped by SIGTERM',
      pid: String(pid),
    });
    expect(isAlive(pid)).toBe(false);
    const silentSince = telemetryOf(device).length;
    // Eight telemetry intervals and a whole job go by: time enough to be heard.
    const asked = await finishJob(device, `${device.thing}-status-1`, status);
    expect(asked.statusDetails?.detailsMap?.['containedReason']).toBe('floods');
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(telemetryOf(device)).toHaveLength(silentSince);

    await stop(agent);
    const again = await start(device, settings);
    const still = await finishJob(device, `${device.thing}-status-2`, status);
    expect(still.statusDetails?.detailsMap).toMatchObject({ application: 'contained' });
    expect(eventsOf(again.entries, 'application started')).toEqual([]);
    expect(telemetryOf(device)).toHaveLength(silentSince);

    const resumed = await finishJob(device, `${device.thing}-resume`, resume);
    expect(resumed.statusDetails?.detailsMap).toMatchObject({
      contained: 'false',
      application: 'running',
    });
    expect(isAlive(await applicationPid(again.entries))).toBe(true);
    await telemetryFlows(device);
  }, 30_000);

  it('answers a probe: accepted before a Deny, not after, accepted again once it is lifted', async () => {
    const device = await newDevice();
    const { entries } = await start(device, { protocolVersion });
    const probed = async (step: string) => {
      const nonce = `${device.thing}-${step}`;
      const execution = await finishJob(device, `${device.thing}-probe-${step}`, probe(nonce));
      const arrived = telemetryOf(device).filter(({ body }) => body['probe'] === nonce);
      return { outcome: execution.statusDetails?.detailsMap, arrived: arrived.length };
    };
    await finishJob(device, `${device.thing}-contain`, contain);
    const accepted = { outcome: { probe: 'accepted', reasonCode: '0' }, arrived: 1 };
    expect(await probed('before')).toEqual(accepted);

    await denyTelemetry(clients.iot, device);
    const refused =
      protocolVersion === 5
        ? { probe: 'refused', reasonCode: '135' }
        : { probe: 'disconnected', reasonCode: 'connection closed' };
    expect(await probed('denied')).toEqual({ outcome: refused, arrived: 0 });
    // One closed connection for the one probe, and none for anything else.
    expect(eventsOf(entries, 'connected')).toHaveLength(protocolVersion === 5 ? 1 : 2);

    await allowTelemetry(clients.iot, device);
    expect(await probed('after')).toEqual(accepted);
  }, 30_000);

  it('is reached by contain although the broker refuses its reports', async () => {
    const device = await newDevice();
    await denyTelemetry(clients.iot, device);
    const { entries } = await start(device, { protocolVersion });
    await eventually(
      () => eventsOf(entries, 'connected').length,
      (count) => count > 0,
    );
    const execution = await finishJob(device, `${device.thing}-contain`, contain);
    expect(execution.status).toBe('SUCCEEDED');
    const connections = eventsOf(entries, 'connected').length;
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(eventsOf(entries, 'connected')).toHaveLength(connections);
  }, 30_000);
});

describe('a job that it can’t trust', () => {
  const hostile: [string, string, RegExp][] = [
    ['an unknown operation', '{"version":1,"requestedBy":"x","operation":"shell"}', /operation/],
    ['a shell command beside', `${contain.slice(0, -1)},"command":"rm -rf /"}`, /command/],
    ['a newer version', contain.replace('"version":1', '"version":2'), /version/],
    ['nobody who asked', '{"version":1,"operation":"resume"}', /requestedBy/],
    ['an empty document', '{}', /operation/],
    ['an array', '[1,2,3]', /document/],
    ['a malformed nonce', probe('../../etc'), /nonce/],
    ['a reason without end', contain.replace('floods', 'x'.repeat(600)), /reason/],
    ['a prototype', '{"__proto__":{"operation":"contain"},"version":1}', /operation/],
  ];

  it('is rejected with the reason, and nothing is done', async () => {
    const device = await newDevice();
    const { entries } = await start(device, { application: sampleApp(device) });
    const pid = await applicationPid(entries);
    for (const [index, [name, document, reason]] of hostile.entries()) {
      const execution = await finishJob(device, `${device.thing}-hostile-${index}`, document);
      const said = execution.statusDetails?.detailsMap?.['reason'] ?? '';
      expect({ name, status: execution.status, said }).toEqual({
        name,
        status: 'REJECTED',
        said: expect.stringMatching(reason) as unknown,
      });
    }
    expect(isAlive(pid)).toBe(true);
    expect(eventsOf(entries, 'job started')).toEqual([]);
    // Positive control: the same device does what it is properly asked.
    await finishJob(device, `${device.thing}-contain`, contain);
    expect(isAlive(pid)).toBe(false);
  }, 60_000);
});

describe('a job that others touch, too', () => {
  it('runs once, however often it is notified of', async () => {
    const device = await newDevice();
    const hanging = sampleApp(device, { SAMPLE_APP_IGNORE_SIGTERM: '1' });
    const { entries } = await start(device, { application: { ...hanging, graceMs: 700 } });
    await applicationPid(entries);
    const jobId = `${device.thing}-contain`;
    await createJob(emulator, clients.iot, { jobId, thing: device.thing, document: contain });
    await eventually(
      () => eventsOf(entries, 'job started').length,
      (count) => count > 0,
    );
    // Each of these jobs is notified of twice, while the first is still running.
    for (let times = 0; times < 10; times += 1) {
      await finishJob(device, `${device.thing}-status-${times}`, status);
    }
    expect(await finished(device, jobId)).toMatchObject({ status: 'SUCCEEDED' });
    const ran = eventsOf(entries, 'job started').filter((entry) => entry['jobId'] === jobId);
    expect(ran).toHaveLength(1);
  }, 30_000);

  it('is reported with the version that another update left', async () => {
    const device = await newDevice();
    const hanging = sampleApp(device, { SAMPLE_APP_IGNORE_SIGTERM: '1' });
    const { entries } = await start(device, { application: { ...hanging, graceMs: 700 } });
    await applicationPid(entries);
    const jobId = `${device.thing}-contain`;
    await createJob(emulator, clients.iot, { jobId, thing: device.thing, document: contain });
    await eventually(
      () => eventsOf(entries, 'job started').length,
      (count) => count > 0,
    );
    await watcher.publish(`$aws/things/${device.thing}/jobs/${jobId}/update`, {
      status: 'IN_PROGRESS',
      statusDetails: { from: 'elsewhere' },
    });
    expect(await finished(device, jobId)).toMatchObject({ status: 'SUCCEEDED', versionNumber: 4 });
    const mismatches = eventsOf(entries, 'job update failed');
    expect(mismatches).toHaveLength(1);
    expect(mismatches[0]?.['reason']).toMatch(/VersionMismatch/);
  }, 30_000);
});
