import { beforeEach, describe, expect, it } from '@jest/globals';
import { createGuard } from '../../../activities/guard/guard';
import { initialiseGuard } from '../../../activities/guard/initialise';
import type { GuardTable } from '../../../activities/guard/table';
import type { Guard } from '../../../domain/guard/types';
import { readLedger } from '../../support/guard-ledger';
import type { MemoryGuardTable } from '../../support/memory-guard-table';
import { createMemoryGuardTable } from '../../support/memory-guard-table';

const LIFE_MS = 60_000;
const OTA = 'ota/pump/1.4.0.tar';

let table: MemoryGuardTable;
let clock: number;
let guard: Guard;
let writes: number;

const over = (of: GuardTable): Guard =>
  createGuard({
    table: of,
    approverKeys: () => Promise.resolve([]),
    now: () => clock,
    pause: () => Promise.resolve(),
  });

beforeEach(async () => {
  table = createMemoryGuardTable();
  clock = 1_000_000;
  writes = 0;
  guard = over({
    ...table,
    write: (some) => {
      writes += 1;
      return table.write(some);
    },
  });
  await initialiseGuard(table, () => clock);
  await guard.setFleetSize(300);
});

const work = (owner: string, things: string[], lifeMs = LIFE_MS) =>
  guard.leaseForWork({ owner, things, lifeMs });
const keep = (lease: { owner: string; fence: number }, things: string[]) =>
  guard.keepWork({ lease, things, lifeMs: LIFE_MS });
const quarantineOf = (things: string[]) => {
  const owner = `quarantine/${things.join()}`;
  return { owner, workflowId: owner, things, targetHash: 'hash' };
};
async function contain(...things: string[]) {
  const result = await guard.reserve(quarantineOf(things));
  if (!result.granted) throw new Error(result.explanation);
  return result.lease;
}
const stop = (state: 'run' | 'stop') => guard.setSwitch({ state, reason: 'drill', by: 'ada' });
const names = (count: number) =>
  Array.from({ length: count }, (_, n) => `t-${String(n).padStart(4, '0')}`);

describe('leaseForWork', () => {
  it('leases what is free and says who holds the rest', async () => {
    await contain('reserved');
    await guard.confirm(await contain('confirmed'));
    await work('sweep', ['swept']);
    const { lease, leased, busy } = await work(OTA, ['free', 'reserved', 'confirmed', 'swept']);
    expect(leased).toEqual(['free']);
    expect(busy).toEqual([
      { thing: 'confirmed', owner: 'quarantine/confirmed' },
      { thing: 'reserved', owner: 'quarantine/reserved' },
      { thing: 'swept', owner: 'sweep' },
    ]);
    expect(await keep(lease, ['free', 'reserved', 'confirmed', 'swept'])).toEqual(['free']);
  });

  it('counts nowhere among what is contained', async () => {
    await contain('a');
    const before = await guard.status();
    const { lease } = await work(OTA, names(40));
    const expiresAt = clock + LIFE_MS;
    expect(await guard.status()).toEqual({ ...before, work: [{ ...lease, expiresAt }] });
    expect(readLedger(table.items()).count).toBe(1);
  });

  it('keeps its fence while it lives and grows by what is asked for next', async () => {
    const { lease } = await work(OTA, ['a', 'b']);
    const again = await work(OTA, ['b', 'c']);
    expect(again).toEqual({ lease, leased: ['b', 'c'], busy: [] });
    expect(await keep(lease, ['a', 'b', 'c'])).toEqual(['a', 'b', 'c']);
  });

  it('holds more things than a transaction has items, and ends them all by one write', async () => {
    const things = names(1_034);
    const { lease, leased } = await work(OTA, things);
    expect(leased).toEqual(things);
    expect((await work('ota/other', things)).busy).toHaveLength(1_034);
    expect(await keep(lease, things)).toEqual(things);
    expect(await guard.heldBy(things, 'anyone')).toHaveLength(1_034);
    expect(await guard.heldBy(things, OTA)).toEqual([]);

    writes = 0;
    await guard.endWork(lease);
    expect(writes).toBe(1);
    expect(await guard.heldBy(things, 'anyone')).toEqual([]);
    expect((await work('ota/other', things)).leased).toEqual(things);
  });

  it('begins anew under a higher fence once it lapsed, with nothing of before', async () => {
    const old = await work(OTA, ['a', 'b']);
    clock += LIFE_MS;
    expect(await guard.heldBy(['a', 'b'], 'anyone')).toEqual([]);
    const fresh = await work(OTA, ['b']);
    expect(fresh.lease.fence).toBeGreaterThan(old.lease.fence);
    expect(await keep(fresh.lease, ['a', 'b'])).toEqual(['b']);
    await expect(keep(old.lease, ['b'])).rejects.toMatchObject({ type: 'LeaseLost' });
    await guard.endWork(old.lease);
    expect(await keep(fresh.lease, ['b'])).toEqual(['b']);
  });

  it('takes what a lapsed lease or a lapsed reservation held, which can not come back then', async () => {
    const old = await work('sweep', ['a']);
    const contained = await contain('b');
    clock += 10 * 60_000;
    const { lease, leased } = await work(OTA, ['a', 'b']);
    expect(leased).toEqual(['a', 'b']);
    await expect(keep(old.lease, ['a'])).rejects.toMatchObject({ type: 'LeaseLost' });
    await expect(guard.confirm(contained)).rejects.toMatchObject({ type: 'LeaseLost' });
    expect(readLedger(table.items())).toMatchObject({ count: 0, held: [] });
    expect(await keep(lease, ['a', 'b'])).toEqual(['a', 'b']);
  });

  it('frees a hundred things of as many lapsed owners in one go', async () => {
    const things = names(100);
    await work(OTA, [], 2 * LIFE_MS);
    for (const thing of things) await work(`ota/${thing}`, [thing]);
    clock += LIFE_MS;
    expect((await work(OTA, things)).leased).toEqual(things);
    expect(readLedger(table.items()).work.size).toBe(1);
  });

  it.each([['*'], ['a/#'], ['']])('leases nothing where a name is %j', async (wrong) => {
    await expect(work(OTA, ['a', wrong])).rejects.toMatchObject({
      type: 'NothingSelected',
      nonRetryable: true,
    });
    expect(await guard.heldBy(['a'], 'anyone')).toEqual([]);
  });

  it('leases nothing for no things', async () => {
    expect(await work(OTA, [])).toMatchObject({ leased: [], busy: [] });
  });
});

describe('keepWork', () => {
  it('writes once in half a life, and the lease lives on', async () => {
    const { lease } = await work(OTA, ['a']);
    writes = 0;
    clock += LIFE_MS / 2 - 1;
    await keep(lease, ['a']);
    expect(writes).toBe(0);
    for (let n = 0; n < 6; n += 1) {
      clock += LIFE_MS / 4;
      expect(await keep(lease, ['a'])).toEqual(['a']);
    }
    expect(writes).toBe(3);
    clock += LIFE_MS;
    await expect(keep(lease, ['a'])).rejects.toMatchObject({
      type: 'LeaseLost',
      nonRetryable: true,
      message: expect.stringContaining(OTA),
    });
  });

  it('fails once the lease ended, however often it is ended', async () => {
    const { lease } = await work(OTA, ['a']);
    await guard.endWork(lease);
    await guard.endWork(lease);
    await expect(keep(lease, ['a'])).rejects.toMatchObject({ type: 'LeaseLost' });
  });
});

describe('containment', () => {
  it.each<[string, (things: string[]) => Promise<unknown>]>([
    ['reserve', (things) => contain(...things)],
    ['adopt', (things) => guard.adopt(quarantineOf(things))],
  ])('takes a thing out of a work lease by %s', async (_, take) => {
    const { lease } = await work(OTA, ['a', 'b', 'c']);
    await take(['b']);
    expect(await keep(lease, ['a', 'b', 'c'])).toEqual(['a', 'c']);
    expect((await work(OTA, ['a', 'b', 'c'])).busy).toEqual([
      { thing: 'b', owner: 'quarantine/b' },
    ]);
    expect((await guard.status()).containedNow).toBe(1);
  });

  it('does not give it back to the rollout, which may lease it again', async () => {
    const { lease } = await work(OTA, ['a', 'b']);
    await guard.giveBack(await contain('b'));
    expect(await keep(lease, ['a', 'b'])).toEqual(['a']);
    expect(await work(OTA, ['a', 'b'])).toEqual({ lease, leased: ['a', 'b'], busy: [] });
  });

  it('asks the same caps whether a rollout holds the thing or not', async () => {
    await work(OTA, ['a', 'b', 'c', 'd']);
    expect(await guard.reserve(quarantineOf(['a', 'b', 'c', 'd']))).toMatchObject({
      granted: false,
      reason: 'approvalNeeded',
      containedNow: 0,
    });
  });
});

describe('the kill switch', () => {
  it('stops what widens a rollout and lets it end', async () => {
    const { lease } = await work(OTA, ['a']);
    await stop('stop');
    const stopped = { type: 'GuardStopped', nonRetryable: false };
    await expect(work(OTA, ['b'])).rejects.toMatchObject(stopped);
    await expect(work('sweep', ['b'])).rejects.toMatchObject(stopped);
    await expect(keep(lease, ['a'])).rejects.toMatchObject(stopped);
    expect(await guard.heldBy(['a'], 'sweep')).toEqual([{ thing: 'a', owner: OTA }]);
    await guard.endWork(lease);
    await stop('run');
    expect((await work('sweep', ['a', 'b'])).leased).toEqual(['a', 'b']);
  });

  it('does not cost a rollout its devices, however long it stops it', async () => {
    const { lease } = await work(OTA, ['a']);
    await stop('stop');
    for (let n = 0; n < 10; n += 1) {
      clock += LIFE_MS / 2;
      await expect(keep(lease, ['a'])).rejects.toMatchObject({ type: 'GuardStopped' });
    }
    await stop('run');
    expect((await work('sweep', ['a'])).busy).toEqual([{ thing: 'a', owner: OTA }]);
    expect(await keep(lease, ['a'])).toEqual(['a']);
  });

  it('wins when it comes while things are taken, and the next attempt finds them taken', async () => {
    const things = names(150);
    let calls = 0;
    const stoppedMidway = over({
      ...table,
      write: async (some) => {
        const result = await table.write(some);
        calls += 1;
        if (calls === 2) await stop('stop');
        return result;
      },
    });
    const ask = { owner: OTA, things, lifeMs: LIFE_MS };
    await expect(stoppedMidway.leaseForWork(ask)).rejects.toMatchObject({ type: 'GuardStopped' });
    await stop('run');
    const { lease, leased } = await guard.leaseForWork(ask);
    expect(leased).toEqual(things);
    expect(await keep(lease, things)).toEqual(things);
  });
});

describe('a guard that does not answer', () => {
  it('lets no work go on, and says so in a way that a retry may cure', async () => {
    const down = () => Promise.reject(new Error('no route'));
    const gone = over({ read: down, list: down, write: down });
    const lease = { owner: OTA, fence: 1 };
    const unreachable = { type: 'GuardUnreachable', nonRetryable: false };
    const asked = [
      gone.leaseForWork({ owner: OTA, things: ['a'], lifeMs: LIFE_MS }),
      gone.keepWork({ lease, things: ['a'], lifeMs: LIFE_MS }),
      gone.heldBy(['a'], OTA),
      gone.endWork(lease),
      gone.approversOf({ workflowId: OTA, targetHash: 'hash' }),
    ];
    for (const call of asked) await expect(call).rejects.toMatchObject(unreachable);
  });

  it('gives up in the end where others never stop changing the same things', async () => {
    const busy = over({ ...table, write: () => Promise.resolve('conflict') });
    const ask = { owner: OTA, things: ['a'], lifeMs: LIFE_MS };
    await expect(busy.leaseForWork(ask)).rejects.toMatchObject({ type: 'GuardUnreachable' });
  });
});
