import { expect } from '@jest/globals';
import fc from 'fast-check';
import type { WorkLease } from '../../domain/guard/types';
import type { GuardLedger } from './guard-ledger';
import type { Act } from './guard-model';
import { anAct, anAdoption, GuardModel, plain } from './guard-model';

/** What rollouts and a sweep do to the things that quarantines contain at the same time. */
export type WorkAct =
  | { act: 'work'; owner: string; things: string[]; lifeMs: number }
  | { act: 'keep' | 'end'; owner: string; lease: number }
  /** Time goes on while the others are at it. */
  | { act: 'pass'; ms: number };

const WORKERS = ['ota/1', 'ota/2', 'sweep'];
const owner = fc.constantFrom(...WORKERS);
const LIFE_MS = 60_000;

const aWorkAct: fc.Arbitrary<WorkAct> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant('work'),
      owner,
      things: fc.uniqueArray(plain, { minLength: 1, maxLength: 12 }),
      lifeMs: fc.constantFrom(LIFE_MS, 10 * LIFE_MS),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constantFrom('keep', 'keep', 'end'),
      owner,
      lease: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ act: fc.constant('pass'), ms: fc.constantFrom(1, LIFE_MS) }),
  },
);
export const anyAct: fc.Arbitrary<Act | WorkAct> = fc.oneof(
  { weight: 5, arbitrary: aWorkAct },
  { weight: 4, arbitrary: anAct },
  { weight: 1, arbitrary: anAdoption },
);

const isWork = (act: Act | WorkAct): act is WorkAct =>
  ['work', 'keep', 'end', 'pass'].includes(act.act);

/** A guard under test with what those who work remember of their leases. */
export class WorkModel extends GuardModel {
  readonly workLeases: WorkLease[] = [];
  /** Fences that their owners ended. */
  readonly ended = new Set<number>();
  readonly seen = { leased: 0, busy: 0, kept: 0 };
  private readonly asked = new Map<string, string[]>();

  async playAny(act: Act | WorkAct): Promise<void> {
    if (isWork(act)) await this.allowing(() => this.work(act));
    else await this.play(act);
  }

  private async work(act: WorkAct): Promise<void> {
    switch (act.act) {
      case 'work': {
        const { lease, leased, busy } = await this.guard.leaseForWork(act);
        expect([...leased, ...busy.map(({ thing }) => thing)].sort()).toEqual(
          [...act.things].sort(),
        );
        expect(busy.map((one) => one.owner)).not.toContain(act.owner);
        this.seen.leased += leased.length;
        this.seen.busy += busy.length;
        this.workLeases.unshift(lease);
        this.asked.set(act.owner, [...(this.asked.get(act.owner) ?? []), ...act.things]);
        return;
      }
      case 'keep': {
        const things = this.asked.get(act.owner) ?? [];
        const lease = this.workLeaseOf(act);
        this.seen.kept += (await this.guard.keepWork({ lease, things, lifeMs: LIFE_MS })).length;
        return;
      }
      case 'end': {
        const lease = this.workLeaseOf(act);
        this.ended.add(lease.fence);
        return this.guard.endWork(lease);
      }
      case 'pass':
        this.now += act.ms;
    }
  }

  private workLeaseOf(act: { owner: string; lease: number }): WorkLease {
    const none = { owner: act.owner, fence: 1 };
    return this.workLeases.filter((lease) => lease.owner === act.owner)[act.lease] ?? none;
  }
}

/** Judges what one commit did to work: pre-empted by containment alone, and never taken while its owner could renew. */
export class WorkReferee {
  readonly seen = { preempted: 0, takenOver: 0, lapsed: 0 };

  judge(before: GuardLedger, after: GuardLedger, model: WorkModel): void {
    for (const [thing, lock] of before.workLocks) {
      const now = after.workLocks.get(thing);
      if (now?.fence === lock.fence) continue;
      if (before.work.get(lock.owner)?.fence === lock.fence) {
        expect({ thing, takenBy: after.locks.get(thing) ?? now }).toMatchObject({
          takenBy: expect.stringMatching(/^run-/),
        });
        this.seen.preempted += 1;
      } else if (now !== undefined) this.seen.takenOver += 1;
    }
    for (const [owner, lease] of before.work) {
      if (after.work.get(owner)?.fence === lease.fence) continue;
      if (model.ended.has(lease.fence)) continue;
      expect(lease.expiresAt).toBeLessThanOrEqual(model.now);
      this.seen.lapsed += 1;
    }
    for (const [owner, { fence }] of after.work) {
      if (before.work.get(owner)?.fence !== fence) expect(fence).toBe(before.fence + 1);
    }
    if (after.held.length === before.held.length) expect(after.count).toBe(before.count);
  }
}

export const ALL_THINGS = Array.from('abcdefghijklmnopqrst');

/** In a quiet moment: nobody shares a thing with anyone. Returns how many leases ever made have ended, lapsed or lost things. */
export async function checkHolders(model: WorkModel): Promise<number> {
  await model.guard.setSwitch({ state: 'run', reason: 'test', by: 'test' });
  const { leases, work } = await model.guard.status();
  const held = leases.map(({ thing, owner: by }) => ({ thing, by }));
  // Also those whose owner failed before it was told: at the stop of the switch, for one.
  const made = new Map([...model.workLeases, ...work].map((lease) => [lease.fence, lease]));
  let over = 0;
  for (const lease of made.values()) {
    const ask = { lease, things: ALL_THINGS, lifeMs: LIFE_MS };
    const isLive = work.some(({ fence }) => fence === lease.fence);
    if (isLive) {
      const kept = await model.guard.keepWork(ask);
      held.push(...kept.map((thing) => ({ thing, by: lease.owner })));
    } else {
      over += 1;
      await expect(model.guard.keepWork(ask)).rejects.toMatchObject({ type: 'LeaseLost' });
    }
  }
  expect(new Set(held.map(({ thing }) => thing)).size).toBe(held.length);
  expect(byThing(await model.guard.heldBy(ALL_THINGS, 'a reader'))).toEqual(
    byThing(held.map(({ thing, by }) => ({ thing, owner: by }))),
  );
  return over;
}

const byThing = (held: { thing: string; owner: string }[]) =>
  new Map(held.map(({ thing, owner: by }) => [thing, by]));
