import { describe, expect, it } from '@jest/globals';
import { cancelJobs } from '../../../activities/rollout/cancel-jobs';
import { carryWave } from '../../../activities/rollout/carry-wave';
import { closeRollout } from '../../../activities/rollout/close';
import { openWave } from '../../../activities/rollout/open-wave';
import { planRollback } from '../../../activities/rollout/rollback';
import { settle } from '../../../activities/rollout/settle';
import type { ClosedRollout } from '../../../activities/rollout/types';
import type { DeviceResult, RolloutRef } from '../../../domain/rollout/types';
import { HOP, World, type Behaviour } from '../../support/rollout-world';
import { depsOf, Killed } from '../../support/rollout-world-deps';

const STEERING = { fence: 1, calls: 20, holding: false, paused: false, overridden: false };

/** A worker that is killed is followed by another. */
async function step<T>(world: World, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    try {
      return await work();
    } catch (err) {
      if (!(err instanceof Killed)) throw err;
      await world.sleep(100);
    }
  }
  throw new Error('it never ended');
}

const carry = (world: World, ref: RolloutRef, kind: 'rollout' | 'rollback', wave: number) =>
  step(world, async () => {
    await openWave(depsOf(world), { ref, kind, wave });
    return carryWave(depsOf(world), { ...STEERING, ref, kind, wave }, world.sleep);
  });

async function stop(world: World, ref: RolloutRef) {
  const deps = depsOf(world);
  const cancelled = await step(world, () => cancelJobs(deps, { ref, why: 'a test' }, world.sleep));
  const settled = await step(world, () => settle(deps, { ref, withinMs: 30_000 }, world.sleep));
  return { cancelled, settled };
}

async function goBack(world: World, ref: RolloutRef): Promise<RolloutRef | null> {
  const plan = await step(world, () => planRollback(depsOf(world), ref));
  for (const { number } of plan?.waves ?? [])
    expect(await carry(world, plan?.ref ?? ref, 'rollback', number)).toMatchObject({
      end: 'complete',
    });
  return plan?.ref ?? null;
}

const close = (world: World, ref: RolloutRef, rollback: RolloutRef | null) =>
  step(world, () => closeRollout(depsOf(world), { ref, rollback }, world.sleep));

function listed(world: World, { list }: ClosedRollout): DeviceResult[] {
  const { chunks } = JSON.parse(world.store.objects.get(list.key) ?? '') as {
    chunks: { key: string }[];
  };
  return chunks.flatMap(
    ({ key }) => JSON.parse(world.store.objects.get(key) ?? '') as DeviceResult[],
  );
}

const MIXED: Behaviour[] = [
  ...Array.from({ length: 7 }, () => 'good' as const),
  ...(['hang', 'offline', 'crash'] as const),
  ...Array.from({ length: 5 }, () => 'good' as const),
];

/** First wave of ten, one of which fails; the second never begins. */
async function wholeStory(world: World): Promise<ClosedRollout> {
  const ref = world.plan([10, 5]);
  expect(await carry(world, ref, 'rollout', 1)).toMatchObject({ end: 'abort' });
  await stop(world, ref);
  return close(world, ref, await goBack(world, ref));
}

describe('a rollout that is stopped', () => {
  it('lists every device of the plan, once, and has all back that ran it', async () => {
    const world = new World(MIXED);
    const closed = await wholeStory(world);
    const results = listed(world, closed);
    expect(results.map(({ thing }) => thing)).toEqual([...world.devices.keys()]);
    const outcomes = (outcome: string) => results.filter((each) => each.outcome === outcome).length;
    expect(closed.counts).toEqual({
      ...{ touched: 9, updated: 0, rolledBack: 8, untouched: 6, needsPerson: 1 },
    });
    expect(outcomes('rolledBack')).toBe(8);
    expect(results.find(({ outcome }) => outcome === 'needsPerson')?.thing).toBe('d-007');
    for (const { version, switched } of world.devices.values()) {
      expect(version).toBe('1.0.0');
      expect([[], [2, 9]]).toContainEqual(switched);
    }
  });

  it('is acknowledged once no execution is open, and none opens after', async () => {
    const world = new World(Array.from({ length: 20 }, () => 'good' as const));
    const ref = world.plan([20]);
    const input = { ...STEERING, ref, kind: 'rollout' as const, wave: 1 };
    // Killed with a record that has no job yet: the CreateJob is still on its way.
    let late: (() => void) | null = null;
    const create = world.create.bind(world);
    world.create = (...job) => {
      late ??= () => create(...job);
      throw new Killed();
    };
    await expect(carryWave(depsOf(world), input, world.sleep)).rejects.toThrow(Killed);
    world.create = create;
    const { cancelled, settled } = await stop(world, ref);
    expect(cancelled.jobs).toBe(1);
    expect(settled).toMatchObject({ counts: { touched: 0, untouched: 20 }, toRollBack: 0 });
    (late as (() => void) | null)?.();
    await world.sleep(10_000);
    expect([...world.devices.values()].flatMap(({ switched }) => switched)).toEqual([]);
    // Nor does an attempt that was thought dead go on.
    await expect(carryWave(depsOf(world), input, world.sleep)).rejects.toThrow(/was ended/);
  });

  it('leaves to a person who has no signed way back', async () => {
    const world = new World(Array.from({ length: 3 }, () => 'good' as const));
    const ref = world.plan([3], { approval: { count: 9, percent: 0, approvers: 0 } }, [
      { ...HOP, revert: null },
    ]);
    expect(await carry(world, ref, 'rollout', 1)).toMatchObject({ end: 'complete' });
    const { settled } = await stop(world, ref);
    expect(settled).toMatchObject({ toRollBack: 0 });
    expect(settled.findings.join()).toMatch(/3 have no signed revert/);
    expect(await goBack(world, ref)).toBeNull();
    const closed = await close(world, ref, null);
    expect(closed.counts).toMatchObject({ touched: 3, needsPerson: 3 });
  });

  it('has nothing to do where all went well but list who runs it', async () => {
    const world = new World(['good', 'good', 'good', 'offline']);
    const ref = world.plan([4]);
    expect(await carry(world, ref, 'rollout', 1)).toMatchObject({ end: 'complete' });
    const closed = await close(world, ref, null);
    expect(closed.counts).toEqual({
      ...{ touched: 3, updated: 3, rolledBack: 0, untouched: 1, needsPerson: 0 },
    });
    expect(await close(world, ref, null)).toEqual(closed);
  });

  it('ends the same wherever its worker is killed', async () => {
    const whole = new World(MIXED);
    const { counts } = await wholeStory(whole);
    for (let at = 1; at <= whole.calls; at += 1) {
      const world = new World(MIXED);
      world.die = (call) => (call !== at ? null : at % 2 === 0 ? 'before' : 'after');
      expect([at, (await wholeStory(world)).counts]).toEqual([at, counts]);
      for (const { switched } of world.devices.values())
        expect([[], [2, 9]]).toContainEqual(switched);
    }
  });
});
