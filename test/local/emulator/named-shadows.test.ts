import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DeleteThingShadowCommand,
  ListNamedShadowsForThingCommand,
  UpdateThingShadowCommand,
} from '@aws-sdk/client-iot-data-plane';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { clientsOf, START_TIMEOUT_MS } from './support';

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator();
}, START_TIMEOUT_MS);
afterAll(() => emulator.stop());

const write = async (shadowName?: string): Promise<void> => {
  await clientsOf(emulator).iotData.send(
    new UpdateThingShadowCommand({
      thingName: 'pump-1',
      payload: Buffer.from('{"state":{"reported":{"a":1}}}'),
      ...(shadowName !== undefined && { shadowName }),
    }),
  );
};

const list = (more: { pageSize?: number; nextToken?: string } = {}) =>
  clientsOf(emulator).iotData.send(
    new ListNamedShadowsForThingCommand({ thingName: 'pump-1', ...more }),
  );

it('lists the named shadows of a thing that are not deleted, page by page', async () => {
  expect((await list()).results).toEqual([]);
  for (const name of [undefined, 'network', 'config', 'old']) await write(name);
  await clientsOf(emulator).iotData.send(
    new DeleteThingShadowCommand({ thingName: 'pump-1', shadowName: 'old' }),
  );
  expect((await list()).results).toEqual(['config', 'network']);
  const first = await list({ pageSize: 1 });
  expect(first).toMatchObject({ results: ['config'], nextToken: expect.any(String) });
  const second = await list({ pageSize: 1, nextToken: first.nextToken ?? '' });
  expect(second.results).toEqual(['network']);
  expect(second.nextToken).toBeUndefined();
});

describe('named_shadows is still needed: the stock emulator', () => {
  it(
    'does not list them',
    async () => {
      const stock = await startEmulator({ withoutPatches: ['named_shadows'] });
      await expect(
        clientsOf(stock).iotData.send(new ListNamedShadowsForThingCommand({ thingName: 'pump-1' })),
      ).rejects.toThrow('Unsupported iot-data path');
      await stock.stop();
    },
    START_TIMEOUT_MS,
  );
});
