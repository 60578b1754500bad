import { createServer } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createGuardTable } from '../../../activities/aws/guard-table';
import { createGuard } from '../../../activities/guard/guard';
import { initialiseGuard } from '../../../activities/guard/initialise';
import type { GuardTable, StoredItem } from '../../../activities/guard/table';
import type { Emulator } from '../../../local/stack/emulator';
import { startEmulator } from '../../../local/stack/emulator';
import { freePorts } from '../../../local/stack/free-port';
import { dynamoClient, makeDynamoTable } from '../../support/dynamo-guard-table';
import { LOCK_PKS } from '../../support/guard-ledger';

let emulator: Emulator;
let dynamo: DynamoDBClient;
let table: GuardTable;
let made = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  dynamo = dynamoClient(emulator);
}, 120_000);
afterAll(async () => {
  dynamo.destroy();
  await emulator.stop();
});
beforeEach(async () => {
  made += 1;
  table = await makeDynamoTable(dynamo, `guard-${made}`);
});

const item = (sk: string, version: string, body = '{}'): StoredItem => ({
  pk: 'p',
  sk,
  version,
  body,
});
const put = (stored: StoredItem, expected: string | null) =>
  ({ act: 'put', item: stored, expected }) as const;
const guardOver = (over: GuardTable) =>
  createGuard({ table: over, approverKeys: () => Promise.resolve([]), now: Date.now });
const request = (owner: string, things = [owner]) => ({
  owner,
  things,
  workflowId: owner,
  targetHash: 'hash',
});

describe('createGuardTable', () => {
  it('reads back what it wrote, in the order of the keys, and null where there is nothing', async () => {
    const stored = item('a', 'v1', '{"x":"é\\n"}');
    expect(await table.write([put(stored, null)])).toBe('committed');
    const keys = ['b', 'a'].map((sk) => ({ pk: 'p', sk }));
    expect(await table.read(keys)).toEqual([null, stored]);
  });

  it('writes all or nothing when one item is not as it was read', async () => {
    await table.write([put(item('a', 'v1'), null)]);
    const writes = [put(item('b', 'v1'), null), put(item('a', 'v2'), 'stale')];
    expect(await table.write(writes)).toBe('conflict');
    expect(await table.list('p')).toEqual([item('a', 'v1')]);
    expect(await table.write([put(item('b', 'v1'), null), put(item('a', 'v2'), 'v1')])).toBe(
      'committed',
    );
  });

  it.each([
    ['puts over an item believed absent', put(item('a', 'v2'), null)],
    ['removes an item of another version', { act: 'remove', key: item('a', ''), expected: 'v0' }],
    [
      'relies on an item of another version',
      { act: 'unchanged', key: item('a', ''), expected: 'v0' },
    ],
    ['relies on the absence of an item', { act: 'unchanged', key: item('a', ''), expected: null }],
  ] as const)('answers conflict to a write that %s', async (_, write) => {
    await table.write([put(item('a', 'v1'), null)]);
    expect(await table.write([write, put(item('z', 'v1'), null)])).toBe('conflict');
    expect(await table.list('p')).toEqual([item('a', 'v1')]);
  });

  it('lists every item under a key over several pages', async () => {
    const body = JSON.stringify('x'.repeat(30_000));
    const items = Array.from({ length: 60 }, (_, n) =>
      item(String(n).padStart(3, '0'), 'v1', body),
    );
    for (const some of [items.slice(0, 30), items.slice(30)]) {
      await table.write(some.map((one) => put(one, null)));
    }
    expect((await table.list('p')).map(({ sk }) => sk)).toEqual(items.map(({ sk }) => sk));
  });
});

describe('a guard over DynamoDB', () => {
  it('grants exactly one of 20 reservations made at once under a cap of 1', async () => {
    await initialiseGuard(table);
    const guards = Array.from({ length: 20 }, () => guardOver(table));
    const results = await Promise.all(guards.map((g, n) => g.reserve(request(`run-${n}`))));
    expect(results.filter(({ granted }) => granted)).toHaveLength(1);
    const status = await guardOver(table).status();
    expect(status).toMatchObject({ containedNow: 1, automaticCap: 1 });
  });

  it('counts down to zero when 8 runs give back at once, each of them twice', async () => {
    await initialiseGuard(table);
    const guard = guardOver(table);
    await guard.setFleetSize(800);
    const owners = Array.from({ length: 8 }, (_, n) => `run-${n}`);
    const results = await Promise.all(owners.map((owner) => guard.reserve(request(owner))));
    const leases = results.flatMap((result) => (result.granted ? [result.lease] : []));
    expect(new Set(leases.map(({ fence }) => fence)).size).toBe(8);
    expect((await Promise.all(LOCK_PKS.map((pk) => table.list(pk)))).flat()).toHaveLength(8);
    await Promise.all([...leases, ...leases].map((lease) => guard.giveBack(lease)));
    const [counter] = (await table.list('guard')).filter(({ sk }) => sk === 'counter');
    expect(JSON.parse(counter?.body ?? '')).toMatchObject({ count: 0 });
    expect((await Promise.all(LOCK_PKS.map((pk) => table.list(pk)))).flat()).toEqual([]);
  });

  it('fits the largest act that it allows into one transaction', async () => {
    await initialiseGuard(table);
    const guard = guardOver(table);
    const things = Array.from({ length: 90 }, (_, n) => `t-${n}`);
    const lease = await guard.adopt({ owner: 'run', workflowId: 'run', things });
    await guard.giveBack(lease);
    expect((await guard.status()).containedNow).toBe(0);
  });
});

describe('a guard whose table can not be asked', () => {
  const unreachable = {
    type: 'GuardUnreachable',
    nonRetryable: false,
    nextRetryDelay: '5 seconds',
  };

  it('lets nothing act where nobody listens', async () => {
    const [port] = await freePorts(1);
    const nowhere = { ...emulator, endpoint: `http://127.0.0.1:${port}` };
    const guard = guardOver(createGuardTable(dynamoClient(nowhere), 'guard'));
    const lease = { owner: 'run', fence: 1, things: ['a'] };
    await expect(guard.reserve(request('run'))).rejects.toMatchObject(unreachable);
    await expect(guard.assertMayAct(lease)).rejects.toMatchObject(unreachable);
  });

  it('lets nothing act where the table is missing, and names the command that makes it', async () => {
    const guard = guardOver(createGuardTable(dynamo, 'no-such-table'));
    await expect(guard.reserve(request('run'))).rejects.toMatchObject({
      ...unreachable,
      message: expect.stringMatching(/ResourceNotFoundException.*npm run provision/),
    });
  });

  it('gives up on an endpoint that accepts and never answers', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const mute = dynamoClient({ ...emulator, endpoint: `http://127.0.0.1:${port}` });
    const guard = guardOver(createGuardTable(mute, 'guard', { callTimeoutMs: 200 }));
    await expect(guard.reserve(request('run'))).rejects.toMatchObject(unreachable);
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
  });
});
