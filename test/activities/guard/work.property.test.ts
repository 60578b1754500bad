import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { GuardTable } from '../../../activities/guard/table';
import { readLedger } from '../../support/guard-ledger';
import type { Act, Round } from '../../support/guard-model';
import { rounds } from '../../support/guard-model';
import type { WorkAct } from '../../support/guard-work-model';
import {
  ALL_THINGS,
  anyAct,
  checkHolders,
  WorkModel,
  WorkReferee,
} from '../../support/guard-work-model';
import { createMemoryGuardTable } from '../../support/memory-guard-table';

interface Bed {
  model: WorkModel;
  referee: WorkReferee;
  /** The same items in a table of their own, to try something without consequences. */
  fork: () => Promise<WorkModel>;
}

/** Every commit is judged; the scheduler draws how the table calls of one round interleave. */
async function playAll(
  plan: Round<Act | WorkAct>[],
  scheduler: fc.Scheduler,
  afterRound: (bed: Bed) => Promise<void>,
): Promise<Bed> {
  let interleaved = false;
  const table = createMemoryGuardTable(() =>
    interleaved ? scheduler.schedule(Promise.resolve()) : Promise.resolve(),
  );
  const referee = new WorkReferee();
  let before = readLedger([]);
  const judged: GuardTable = {
    ...table,
    write: async (writes) => {
      const result = await table.write(writes);
      const after = readLedger(table.items());
      if (result === 'committed') referee.judge(before, after, model);
      before = after;
      return result;
    },
  };
  const model = new WorkModel(judged);
  await model.start(1_500);
  const fork = async (): Promise<WorkModel> => {
    const copy = createMemoryGuardTable();
    for (const item of table.items()) await copy.write([{ act: 'put', item, expected: null }]);
    const forked = new WorkModel(copy);
    forked.now = model.now;
    forked.workLeases.push(...model.workLeases);
    return forked;
  };
  const bed = { model, referee, fork };
  for (const { acts, passMs } of plan) {
    interleaved = true;
    await scheduler.waitFor(Promise.all(acts.map((act) => model.playAny(act))));
    interleaved = false;
    await afterRound(bed);
    model.now += passMs;
  }
  return bed;
}

describe('work leases under any interleaving of rollouts, a sweep, quarantines and time', () => {
  it('never have two holders of a thing, always give way to containment and never hold anyone up', async () => {
    const seen = { leased: 0, busy: 0, kept: 0, preempted: 0, takenOver: 0, lapsed: 0, lost: 0 };
    await fc.assert(
      fc.asyncProperty(rounds(anyAct, { rounds: 8, acts: 7 }), fc.scheduler(), async (plan, s) => {
        const { model, referee, fork } = await playAll(plan, s, async (bed) => {
          seen.lost += await checkHolders(await bed.fork());
        });
        for (const why of model.heldByOthers) expect(why).not.toMatch(/held by (ota|sweep)/);
        for (const key of ['leased', 'busy', 'kept'] as const) seen[key] += model.seen[key];
        for (const key of ['preempted', 'takenOver', 'lapsed'] as const)
          seen[key] += referee.seen[key];

        const end = await fork();
        await end.guard.setSwitch({ state: 'run', reason: 'test', by: 'test' });
        const { work, leases } = await end.guard.status();
        for (const lease of work) await end.guard.endWork(lease);
        const held = new Set(leases.map(({ thing }) => thing));
        const later = { owner: 'later', things: ALL_THINGS, lifeMs: 1_000 };
        const { leased } = await end.guard.leaseForWork(later);
        expect(new Set(leased)).toEqual(new Set(ALL_THINGS.filter((thing) => !held.has(thing))));
      }),
      { numRuns: 150, interruptAfterTimeLimit: 60_000 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
  }, 90_000);
});
