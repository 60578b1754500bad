import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { GuardLedger } from '../../support/guard-ledger';
import { readLedger } from '../../support/guard-ledger';
import type { Act, Round } from '../../support/guard-model';
import { anAct, anAdoption, GuardModel, rounds } from '../../support/guard-model';
import { createMemoryGuardTable } from '../../support/memory-guard-table';

const MINUTE = 60_000;
const automaticCap = (fleet: number): number => Math.max(1, Math.floor(fleet / 100));
const approvedCap = (fleet: number): number => Math.max(5, Math.floor(fleet / 20));

/** Judges every single commit, between any two of which another runbook may act. */
class Referee {
  grants = { automatic: 0, approved: 0 };
  private before = readLedger([]);
  private readonly automaticAt: number[] = [];

  constructor(private readonly mayAdopt: boolean) {}

  judge(after: GuardLedger, model: GuardModel): void {
    const before = this.before;
    this.before = after;
    expect(after.count).toBe(after.held.length);
    expect(after.count).toBe(after.locks.size);
    for (const { thing, owner } of after.held) expect(after.locks.get(thing)).toBe(owner);
    expect(after.fence).toBeGreaterThanOrEqual(before.fence);
    for (const [owner, fence] of after.fences) {
      if (fence !== before.fences.get(owner)) expect(fence).toBe(before.fence + 1);
    }
    const fresh = [...after.locks].filter(([thing]) => !before.locks.has(thing));
    if (fresh.length > 0 && !this.mayAdopt) this.judgeGrant(before, after, fresh, model);
  }

  private judgeGrant(
    before: GuardLedger,
    after: GuardLedger,
    fresh: [string, string][],
    model: GuardModel,
  ): void {
    expect(after.stopped).toBe(false);
    for (const [thing] of fresh) expect(thing).toMatch(/^[a-z]$/);
    const atNow = (ledger: GuardLedger) =>
      ledger.recentAutomatic.filter((time) => time === model.now).length;
    if (atNow(after) > atNow(before)) {
      this.grants.automatic += 1;
      this.automaticAt.push(...fresh.map(() => model.now));
      expect(after.count).toBeLessThanOrEqual(automaticCap(after.fleetSize));
      const inWindow = this.automaticAt.filter((time) => time > model.now - MINUTE);
      expect(inWindow.length).toBeLessThanOrEqual(10);
      return;
    }
    this.grants.approved += 1;
    expect(after.count).toBeLessThanOrEqual(approvedCap(after.fleetSize));
    const owner = fresh[0]?.[1] ?? '';
    const signers = model.signatures.filter(
      (s) => s.workflowId === owner && s.at > model.now - 15 * MINUTE,
    );
    const people = after.approvers.get(owner) ?? [];
    expect(new Set(people).size).toBeGreaterThanOrEqual(2);
    for (const name of people) expect(signers.map(({ by }) => by)).toContain(name);
  }
}

/** Runs the acts of each round with their table calls interleaved as the scheduler draws. */
async function playAll(
  plan: Round[],
  scheduler: fc.Scheduler,
  referee: Referee,
): Promise<GuardModel> {
  let interleaved = false;
  const table = createMemoryGuardTable(() =>
    interleaved ? scheduler.schedule(Promise.resolve()) : Promise.resolve(),
  );
  const judged = {
    ...table,
    write: async (writes: Parameters<typeof table.write>[0]) => {
      const result = await table.write(writes);
      if (result === 'committed') referee.judge(readLedger(table.items()), model);
      return result;
    },
  };
  const model = new GuardModel(judged);
  await model.start(300);
  interleaved = true;
  for (const { acts, passMs } of plan) {
    await scheduler.waitFor(Promise.all(acts.map((act) => model.play(act))));
    model.now += passMs;
  }
  return model;
}

describe('the guard under any interleaving of runbooks, people and time', () => {
  it('never exceeds caps or rate, never drifts, and every fence is newer than the last', async () => {
    const seen = { automatic: 0, approved: 0 };
    await fc.assert(
      fc.asyncProperty(rounds(anAct, { rounds: 12, acts: 6 }), fc.scheduler(), async (plan, s) => {
        const referee = new Referee(false);
        await playAll(plan, s, referee);
        seen.automatic += referee.grants.automatic;
        seen.approved += referee.grants.approved;
      }),
      { numRuns: 100, interruptAfterTimeLimit: 60_000 },
    );
    expect(seen.automatic).toBeGreaterThan(50);
    expect(seen.approved).toBeGreaterThan(20);
  }, 90_000);

  it('never drifts when runbooks adopt what is contained already', async () => {
    const act: fc.Arbitrary<Act> = fc.oneof({ weight: 4, arbitrary: anAct }, anAdoption);
    let granted = 0;
    await fc.assert(
      fc.asyncProperty(rounds(act, { rounds: 10, acts: 6 }), fc.scheduler(), async (plan, s) => {
        granted += (await playAll(plan, s, new Referee(true))).granted.length;
      }),
      { numRuns: 40, interruptAfterTimeLimit: 60_000 },
    );
    expect(granted).toBeGreaterThan(50);
  }, 90_000);

  it('contains ten a minute of a burst, one thing at a time', async () => {
    const table = createMemoryGuardTable();
    const model = new GuardModel(table);
    await model.start(100_000);
    const burst = Array.from({ length: 25 }, (_, n) => ({ owner: `run-${n}`, things: [`t-${n}`] }));
    const ask = () => Promise.all(burst.map((one) => model.play({ act: 'reserve', ...one })));
    await ask();
    expect(readLedger(table.items()).count).toBe(10);
    model.now += MINUTE;
    await ask();
    expect(readLedger(table.items()).count).toBe(20);
  });
});
