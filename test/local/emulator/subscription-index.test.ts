import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { MqttClient } from 'mqtt';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { START_TIMEOUT_MS, clientsOf, connect, enrol, eventually } from './support';

const FILTERS = ['a/b', 'a/+', 'a/#', '+/b', '#', '+/+/c', 'a/b/c', 'x/+/#', 'a/+/c'];
const TOPICS = ['a', 'a/b', 'a/c', 'z/b', 'a/b/c', 'x/y', 'x/y/z/w', 'a//c', 'end'];

const emulators: Emulator[] = [];
beforeAll(async () => {
  emulators.push(await startEmulator());
  emulators.push(await startEmulator({ withoutPatches: ['subscription_index'] }));
}, START_TIMEOUT_MS);
afterAll(() => Promise.all(emulators.map((emulator) => emulator.stop())));

/** What each of many clients, with a filter of its own, gets of all topics; then with one filter less. */
async function heardBy(emulator: Emulator): Promise<Record<string, string[]>> {
  const { iot } = clientsOf(emulator);
  const heard: Record<string, string[]> = {};
  const clients: MqttClient[] = [];
  for (const [index, filter] of FILTERS.entries()) {
    const client = await connect(emulator, await enrol(iot, `listener-${index}`));
    clients.push(client);
    client.on('message', (topic) => (heard[filter] ??= []).push(topic));
    await client.subscribeAsync([filter, 'end'], { qos: 1 });
  }
  const [first] = clients;
  const publishAll = async (): Promise<void> => {
    for (const topic of TOPICS) await first?.publishAsync(topic, '1', { qos: 1 });
    const ended = (filter: string): boolean => heard[filter]?.at(-1) === 'end';
    await eventually(() => Promise.resolve(FILTERS.every(ended) || undefined));
  };
  await publishAll();
  await clients[1]?.unsubscribeAsync('a/+');
  for (const filter of FILTERS) heard[filter]?.push('then');
  await publishAll();
  await Promise.all(clients.map((client) => client.endAsync()));
  return heard;
}

it('delivers to the same filters as the stock emulator, which compares each of them', async () => {
  const [indexed, stock] = await Promise.all(emulators.map((emulator) => heardBy(emulator)));
  expect(indexed).toEqual(stock);
  expect(indexed?.['a/+']).toContain('a/c');
  expect(indexed?.['a/+']?.slice(indexed['a/+'].indexOf('then'))).not.toContain('a/c');
}, 60_000);
