import { beforeEach, describe, expect, it } from '@jest/globals';
import { createGuard } from '../../../activities/guard/guard';
import { initialiseGuard } from '../../../activities/guard/initialise';
import type { Guard } from '../../../domain/guard/types';
import type { MemoryGuardTable } from '../../support/memory-guard-table';
import { createMemoryGuardTable } from '../../support/memory-guard-table';

let table: MemoryGuardTable;
let clock: number;
let guard: Guard;

const request = (owner: string, things: string[]) => ({
  owner,
  things,
  workflowId: owner,
  targetHash: `hash of ${things.join()}`,
});

async function leaseOf(owner: string, things: string[]) {
  const result = await guard.reserve(request(owner, things));
  if (!result.granted) throw new Error(result.explanation);
  return result.lease;
}

beforeEach(async () => {
  table = createMemoryGuardTable();
  clock = 1_000_000;
  guard = createGuard({
    table,
    approverKeys: () => Promise.resolve([]),
    now: () => clock,
    pause: () => Promise.resolve(),
  });
  await initialiseGuard(table, () => clock);
  await guard.setFleetSize(300);
});

describe('reserve', () => {
  it('gives the same owner the same lease again and counts it once', async () => {
    const first = await leaseOf('run-1', ['a']);
    const again = await leaseOf('run-1', ['a']);
    expect(again).toEqual(first);
    expect((await guard.status()).containedNow).toBe(1);
  });

  it('widens a lease under a newer fence and refuses the older one', async () => {
    const narrow = await leaseOf('run-1', ['a']);
    await guard.confirm(narrow);
    const wide = await leaseOf('run-1', ['a', 'b']);
    expect(wide).toEqual({ owner: 'run-1', fence: narrow.fence + 1, things: ['a', 'b'] });
    await expect(guard.assertMayAct(wide)).resolves.toBeUndefined();
    await expect(guard.assertMayAct(narrow)).rejects.toMatchObject({
      type: 'LeaseLost',
      nonRetryable: true,
    });
  });

  it('keeps what was confirmed when the part added later expires', async () => {
    await guard.confirm(await leaseOf('run-1', ['a']));
    await leaseOf('run-1', ['a', 'b']);
    clock += 10 * 60_000;
    expect((await guard.status()).leases.map(({ thing }) => thing)).toEqual(['a']);
    await guard.reserve(request('run-2', ['c', 'd', 'e']));
    expect((await guard.status()).containedNow).toBe(1);
    await leaseOf('run-2', ['c', 'd']);
    expect((await guard.status()).containedNow).toBe(3);
  });

  it('refuses a thing that another run holds', async () => {
    await leaseOf('run-1', ['a']);
    expect(await guard.reserve(request('run-2', ['a', 'b']))).toMatchObject({
      granted: false,
      reason: 'leased',
      explanation: 'Another run acts on the same devices: a is held by run-1.',
    });
  });

  it('reclaims an expired reservation once when a cap would otherwise refuse', async () => {
    const old = await leaseOf('run-1', ['a', 'b', 'c']);
    expect(await guard.reserve(request('run-2', ['d']))).toMatchObject({
      granted: false,
      reason: 'approvalNeeded',
    });
    clock += 10 * 60_000;
    await leaseOf('run-2', ['d']);
    await guard.giveBack(old);
    expect((await guard.status()).containedNow).toBe(1);
    await expect(guard.confirm(old)).rejects.toMatchObject({ type: 'LeaseLost' });
  });

  it('confirms a reservation that lapsed unless someone reclaimed it', async () => {
    const lease = await leaseOf('run-1', ['a']);
    clock += 10 * 60_000;
    await expect(guard.assertMayAct(lease)).rejects.toMatchObject({ type: 'LeaseLost' });
    await guard.confirm(lease);
    await expect(guard.assertMayAct(lease)).resolves.toBeUndefined();
  });
});

describe('giveBack', () => {
  it('decrements once however often it is called', async () => {
    const lease = await leaseOf('run-1', ['a']);
    await leaseOf('run-2', ['b']);
    await guard.giveBack(lease);
    await guard.giveBack(lease);
    expect((await guard.status()).leases.map(({ thing }) => thing)).toEqual(['b']);
    expect(counterOf(table)).toBe(1);
  });

  it('leaves a newer lease of the same owner alone', async () => {
    const old = await leaseOf('run-1', ['a']);
    await guard.giveBack(old);
    const fresh = await leaseOf('run-1', ['a']);
    await guard.giveBack(old);
    await expect(guard.assertMayAct(fresh)).resolves.toBeUndefined();
  });

  it('goes on while the switch is at stop', async () => {
    const lease = await leaseOf('run-1', ['a']);
    await guard.setSwitch({ state: 'stop', reason: 'drill', by: 'ada' });
    await guard.giveBack(lease);
    expect(counterOf(table)).toBe(0);
  });
});

describe('the kill switch', () => {
  it('stops reservations and acts, saying who, why and how to resume', async () => {
    const lease = await leaseOf('run-1', ['a']);
    await guard.setSwitch({ state: 'stop', reason: 'wrong devices', by: 'ada' });
    const stopped = {
      type: 'GuardStopped',
      nonRetryable: false,
      nextRetryDelay: '5 seconds',
      message: expect.stringMatching(
        /1970-01-01T00:16:40.000Z, by ada: wrong devices.*guard -- resume/,
      ),
    };
    await expect(guard.reserve(request('run-2', ['b']))).rejects.toMatchObject(stopped);
    await expect(guard.assertMayAct(lease)).rejects.toMatchObject(stopped);
    await guard.setSwitch({ state: 'run', reason: 'found it', by: 'ada' });
    await expect(guard.assertMayAct(lease)).resolves.toBeUndefined();
  });
});

describe('adopt', () => {
  it('counts what is contained already without asking the caps, confirmed under a new fence', async () => {
    const lease = await guard.adopt({
      owner: 'run-1',
      workflowId: 'run-1',
      things: ['a', 'b', 'c', 'd'],
    });
    clock += 60 * 60_000;
    await expect(guard.assertMayAct(lease)).resolves.toBeUndefined();
    expect(await guard.status()).toMatchObject({ containedNow: 4, automaticCap: 3 });
    const again = await guard.adopt({ owner: 'run-1', workflowId: 'run-1', things: ['a'] });
    expect(again.fence).toBeGreaterThan(lease.fence);
    expect((await guard.status()).containedNow).toBe(4);
  });

  it('takes over an expired reservation of another owner but no live one', async () => {
    const other = await leaseOf('run-1', ['a']);
    const adoption = { owner: 'run-2', workflowId: 'run-2', things: ['a'] };
    await expect(guard.adopt(adoption)).rejects.toMatchObject({ type: 'LeaseLost' });
    clock += 10 * 60_000;
    await guard.adopt(adoption);
    await expect(guard.confirm(other)).rejects.toMatchObject({ type: 'LeaseLost' });
    expect(counterOf(table)).toBe(1);
  });
});

describe('a guard that is not there', () => {
  it('refuses every act on a table that was not provisioned', async () => {
    const bare = createGuard({
      table: createMemoryGuardTable(),
      approverKeys: () => Promise.resolve([]),
      now: () => clock,
    });
    const missing = {
      type: 'GuardUnreachable',
      nonRetryable: false,
      nextRetryDelay: '5 seconds',
      message: expect.stringContaining('npm run provision'),
    };
    await expect(bare.reserve(request('run-1', ['a']))).rejects.toMatchObject(missing);
    await expect(
      bare.assertMayAct({ owner: 'run-1', fence: 1, things: ['a'] }),
    ).rejects.toMatchObject(missing);
    await expect(
      bare.setSwitch({ state: 'run', reason: 'hurry', by: 'ada' }),
    ).rejects.toMatchObject(missing);
  });

  it('refuses to act on an item that someone damaged by hand', async () => {
    const [item] = table.items().filter(({ sk }) => sk === 'counter');
    if (item === undefined) throw new Error('no counter');
    const damaged = { ...item, version: 'by hand', body: '{"count":-1}' };
    await table.write([{ act: 'put', item: damaged, expected: item.version }]);
    await expect(guard.reserve(request('run-1', ['a']))).rejects.toMatchObject({
      type: 'GuardUnreachable',
      message: expect.stringContaining('counter item guard counter is not readable (count'),
    });
  });

  it('leaves a switch at stop as it is when provisioned again', async () => {
    await guard.setSwitch({ state: 'stop', reason: 'drill', by: 'ada' });
    await initialiseGuard(table, () => clock);
    expect((await guard.status()).switch.state).toBe('stop');
  });
});

const counterOf = (of: MemoryGuardTable): unknown => {
  const body: unknown = JSON.parse(of.items().find(({ sk }) => sk === 'counter')?.body ?? '{}');
  return typeof body === 'object' && body !== null && 'count' in body ? body.count : undefined;
};
