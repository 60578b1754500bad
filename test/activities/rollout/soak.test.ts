import { describe, expect, it } from '@jest/globals';
import { carryWave } from '../../../activities/rollout/carry-wave';
import { judgeWave, watchSoak } from '../../../activities/rollout/soak';
import type { CarryInput, SoakInput } from '../../../activities/rollout/types';
import { World, type Behaviour } from '../../support/rollout-world';
import { depsOf } from '../../support/rollout-world-deps';

const STEERING = { fence: 1, calls: 20, holding: false, paused: false, overridden: false };

async function soaking(behaviours: Behaviour[], more: Partial<CarryInput> = {}) {
  const world = new World(behaviours);
  const ref = world.plan([behaviours.length], {
    gate: [{ name: 'ill', when: 'updated.unhealthy > 0', then: 'abort', reason: 'it is ill' }],
  });
  const at = { ref, kind: 'rollout', wave: 1 } as const;
  const carried = await carryWave(depsOf(world), { ...at, ...STEERING, ...more }, world.sleep);
  const input: SoakInput = { ...at, since: new Date(world.now).toISOString(), holding: false };
  return { world, carried, input };
}

describe('a soak', () => {
  it('tells of an alarm that is raised in scope meanwhile, and of no other', async () => {
    const { world, input } = await soaking(['good', 'good']);
    const alarm = { name: 'iot-runbooks/x', thing: 'd-001', since: world.now - 1 };
    world.alarms.push(alarm, { ...alarm, name: 'other', thing: 'not-ours', since: world.now + 1 });
    let looks = 0;
    const sleep = (ms: number) => {
      looks += 1;
      if (looks === 3) world.alarms.push({ ...alarm, name: 'new', since: world.now + 1 });
      return world.sleep(ms);
    };
    const report = await watchSoak(depsOf(world), input, sleep);
    expect(report).toMatchObject({ end: 'alarm', counts: { confirmed: 2 } });
    expect(report.reasons.map(({ text }) => text).join()).toMatch(/the alarm new was raised/);
    expect(looks).toBe(3);
  });

  it('aborts where a device that had confirmed falls ill', async () => {
    const { world, input } = await soaking(['good', 'good']);
    const deps = depsOf(world);
    expect(await judgeWave(deps, input)).toMatchObject({ end: 'complete' });
    deps.index.buckets = () => Promise.resolve({ healthy: 1, unhealthy: 1 });
    const report = await watchSoak(deps, input, world.sleep);
    expect(report).toMatchObject({ end: 'abort', reasons: [{ rule: 'ill' }] });
    expect(await judgeWave(deps, input)).toMatchObject({
      ...{ end: 'abort', crossedAt: report.crossedAt },
    });
  });

  it('is not held once more for what a person has let pass', async () => {
    const few: Behaviour[] = ['good', 'offline', 'offline'];
    const held = await soaking(few);
    expect(held.carried.end).toBe('hold');
    const { world, carried, input } = await soaking(few, { overridden: true });
    expect(carried.end).toBe('complete');
    expect(await judgeWave(depsOf(world), input)).toMatchObject({ end: 'complete', reasons: [] });
  });

  it('holds for data that stays away, and tells when it is back', async () => {
    const { world, input } = await soaking(['good']);
    const deps = depsOf(world);
    const whole = depsOf(world).index;
    deps.index.buckets = () => Promise.reject(new Error('IndexNotReady'));
    expect(await watchSoak(deps, input, world.sleep)).toMatchObject({ end: 'hold' });
    deps.index = whole;
    const back = await watchSoak(deps, { ...input, holding: true }, world.sleep);
    expect(back).toMatchObject({ end: 'holdOver' });
  });
});
