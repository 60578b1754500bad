import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { jobTopics } from '../../../domain/device-protocol/topics';
import { eventually } from '../../support/devices';
import { Cable } from './cable';
import { CONTAIN, Field, STATUS, confirmedSlot, eventsOf, install, logged } from './field';

let field: Field;
let cable: Cable;

beforeAll(async () => {
  field = await Field.open();
}, 60_000);

afterEach(async () => {
  await field.stopAgents();
  cable.close();
});

afterAll(async () => {
  await field.close();
});

async function behindCable(thing: string, overrides: Parameters<Field['start']>[1] = {}) {
  const { host, port } = field.emulator.mqtt;
  cable = await Cable.to(host, port);
  const device = await field.newDevice(thing);
  const { entries } = await field.start(device, { port: cable.port, ...overrides });
  await field.reads(device, '1.0.0');
  return { device, entries };
}

it('fetches on without its broker, does not switch at the gate, and says so once it is back', async () => {
  const { device, entries } = await behindCable('cut-before');
  let letGo: (() => void) | null = null;
  field.server.fault('1.1.0.tar', (_request, response) => {
    letGo = () => response.destroy();
  });
  const jobId = await field.offer(device, install('pump/1.1.0.tar'));
  const hold = await eventually(
    () => letGo,
    (found) => found !== null,
  );
  cable.cut();
  await logged(entries, 'disconnected');
  field.server.clear();
  hold?.();
  await logged(entries, 'update ended', ({ status }) => status === 'FAILED');
  expect(eventsOf(entries, 'connected')).toHaveLength(1);
  expect(confirmedSlot(device)).toBe('a');
  cable.mend();
  const outcome = await field.ended(device, jobId);
  expect(outcome).toMatchObject({ status: 'FAILED', step: 'installed', slot: 'a' });
  expect(outcome['reason']).toMatch(/commit gate.*offline/);
  await field.shadowOnce(device, ({ update }) => update?.outcome === 'FAILED');
  expect(field.shadow(device)).toMatchObject({
    firmware: { version: '1.0.0' },
    slot: 'a',
    update: { reason: expect.stringContaining('commit gate') },
    updates: [{ version: '1.1.0', outcome: 'FAILED' }],
  });
  await field.reads(device, '1.0.0');
  // And the same release goes well with a broker.
  expect(await field.run(device, install('pump/1.1.0.tar'))).toMatchObject({ status: 'SUCCEEDED' });
}, 60_000);

it('runs what it has switched to without a network, and confirms and tells it once there is one', async () => {
  const { device, entries } = await behindCable('cut-after');
  const jobId = await field.offer(device, install('pump/1.1.0.tar'));
  await logged(entries, 'update', ({ state }) => state === 'confirming');
  cable.cut();
  // Several times as long as it takes to confirm with a network.
  await sleep(2_000);
  expect(eventsOf(entries, 'update ended')).toEqual([]);
  expect(eventsOf(entries, 'connected')).toHaveLength(1);
  expect(confirmedSlot(device)).toBe('a');
  cable.mend();
  expect(await field.ended(device, jobId)).toMatchObject({ status: 'SUCCEEDED', version: '1.1.0' });
  await field.shadowOnce(
    device,
    ({ firmware, slot }) => firmware.version === '1.1.0' && slot === 'b',
  );
  await logged(entries, 'job ended', ({ result }) => result === 'reported');
  const told = eventsOf(entries, 'job ended').filter(({ result }) => result === 'reported');
  expect(told).toHaveLength(1);
  expect(confirmedSlot(device)).toBe('b');
}, 60_000);

it('is offline for long with bounded haste and memory, and does what it missed once', async () => {
  const capMs = 40;
  const maxQueued = 20;
  const maxInFlight = 10;
  const { device, entries } = await behindCable('offline', {
    reconnect: { baseMs: 5, capMs, stableAfterMs: 60_000 },
    publishing: { maxQueued, maxInFlight },
  });
  const cutAt = Date.now();
  cable.cut();
  const before = cable.attempts;
  const jobId = await field.offer(device, STATUS);
  await logged(entries, 'application messages dropped');
  await eventually(
    () => cable.attempts,
    (count) => count >= before + 50,
    25_000,
  );
  const mendedAt = Date.now();
  cable.mend();
  expect(await field.ended(device, jobId)).toMatchObject({ status: 'SUCCEEDED' });
  await field.reads(device, '1.0.0');
  const waits = eventsOf(entries, 'waiting to connect').map(({ ms }) => Number(ms));
  expect(waits.length).toBeGreaterThanOrEqual(50);
  expect(Math.max(...waits)).toBeLessThan(capMs);
  expect(Math.max(...waits)).toBeGreaterThan(capMs / 2);
  const kept = field.readings(device).filter(({ at }) => at > cutAt && at < mendedAt);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThanOrEqual(maxQueued + maxInFlight);
  expect(eventsOf(entries, 'job started').map((entry) => entry['jobId'])).toEqual([jobId]);
}, 60_000);

it('shares its identity with another only slowly, and says that it was taken over', async () => {
  const reconnect = { baseMs: 20, capMs: 1_000, stableAfterMs: 60_000 };
  const { device, entries } = await behindCable('twin', { reconnect });
  const twin = { ...device, dir: join(device.dir, 'twin') };
  const other = await field.start(twin, { reconnect });
  const takeovers = (log: typeof entries) =>
    eventsOf(log, 'disconnected').filter(({ reason }) => /taken over/.test(String(reason))).length;
  await eventually(
    () => Math.min(takeovers(entries), takeovers(other.entries)),
    (times) => times >= 8,
    25_000,
  );
  // Without a growing back-off none of these would be longer than its base.
  const waits = [...entries, ...other.entries].filter(
    ({ event }) => event === 'waiting to connect',
  );
  const longest = waits.map(({ ms }) => Number(ms)).sort((a, b) => b - a);
  expect(longest[0]).toBeLessThan(reconnect.capMs);
  expect(longest[1]).toBeGreaterThan(reconnect.baseMs);
}, 60_000);

it('runs two updates one after the other, whatever else happens to their jobs', async () => {
  const { device, entries } = await behindCable('two');
  cable.cut();
  await logged(entries, 'disconnected');
  const first = await field.offer(device, install('pump/1.1.0.tar'));
  // The order of jobs is to the second.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const second = await field.offer(device, install('pump/1.2.0.tar'));
  cable.mend();
  await logged(entries, 'update', ({ target }) => target === 'pump/1.1.0.tar');
  const update = jobTopics.update(device.thing, first);
  for (let times = 0; times < 2; times += 1) {
    // Makes the version stale that the agent expects.
    await field.watcher.publish(update, { status: 'IN_PROGRESS' });
    // Each job is notified of twice, and has the list read again.
    expect(await field.run(device, STATUS)).toMatchObject({ status: 'SUCCEEDED' });
  }
  expect(await field.ended(device, first)).toMatchObject({ status: 'SUCCEEDED', version: '1.1.0' });
  expect(await field.ended(device, second)).toMatchObject({ status: 'SUCCEEDED', from: '1.1.0' });
  const steps = entries.filter(({ event }) => event === 'update' || event === 'update ended');
  const targets = steps.map(({ target }) => target);
  expect(targets.lastIndexOf('pump/1.1.0.tar')).toBeLessThan(targets.indexOf('pump/1.2.0.tar'));
  const started = eventsOf(entries, 'job started').map((entry) => entry['jobId']);
  expect(started).toHaveLength(4);
  expect(new Set(started).size).toBe(4);
}, 60_000);

it('sends nothing while it is contained, and how it is doing once it is resumed', async () => {
  const { device, entries } = await behindCable('contained');
  await field.shadowOnce(device, ({ agent }) => agent.starts === 1);
  expect(await field.run(device, CONTAIN)).toMatchObject({ status: 'SUCCEEDED' });
  const shadows = () => field.watcher.on(`$aws/things/${device.thing}/shadow/update`).length;
  const before = shadows();
  cable.cut();
  cable.mend();
  await logged(entries, 'connected', ({ session }) => session === 2);
  expect(await field.run(device, STATUS)).toMatchObject({ status: 'SUCCEEDED' });
  expect(shadows()).toBe(before);
  const resume = { version: 1, requestedBy: 'test', operation: 'resume' };
  expect(await field.run(device, resume)).toMatchObject({ status: 'SUCCEEDED' });
  await eventually(shadows, (count) => count > before);
  expect(field.shadow(device)).toMatchObject({ application: { status: 'running' }, disk: 'ok' });
}, 60_000);
