import { describe, expect, it } from '@jest/globals';
import { carryWave } from '../../../activities/rollout/carry-wave';
import { openWave } from '../../../activities/rollout/open-wave';
import { readRecords } from '../../../activities/rollout/job-record';
import type { CarryInput, WaveReport } from '../../../activities/rollout/types';
import type { Hop } from '../../../domain/rollout/types';
import { HOP, NOW, World, type Behaviour } from '../../support/rollout-world';
import { depsOf, Killed } from '../../support/rollout-world-deps';

const many = (count: number, behaviour: Behaviour = 'good'): Behaviour[] =>
  Array.from({ length: count }, () => behaviour);

const ask = (world: World, sizes: number[], more = {}, hops: Hop[] = [HOP]): CarryInput => {
  const ref = world.plan(sizes, more, hops);
  const steering = { calls: 20, holding: false, paused: false, overridden: false };
  return { ref, kind: 'rollout', wave: 1, fence: 1, ...steering };
};

const carry = (world: World, input: CarryInput): Promise<WaveReport> =>
  carryWave(depsOf(world), input, world.sleep);

describe('a wave', () => {
  it('asks each device once, and is complete when all have confirmed', async () => {
    const world = new World(many(5));
    const report = await carry(world, ask(world, [5]));
    expect(report).toMatchObject({ end: 'complete', counts: { size: 5, confirmed: 5 } });
    expect([...world.devices.values()].map(({ switched }) => switched)).toEqual(
      Array.from({ length: 5 }, () => [2]),
    );
    expect(world.jobs.size).toBe(1);
    expect(world.now - NOW).toBeLessThan(1_000);
  });

  it('never has more devices in flight than it may', async () => {
    const world = new World(many(35));
    const input = ask(world, [35]);
    let most = 0;
    const sleep = (ms: number) => {
      const open = [...world.jobs.values()].flatMap(({ executions }) =>
        [...executions.values()].filter(({ status }) => status !== 'SUCCEEDED'),
      );
      most = Math.max(most, open.length);
      return world.sleep(ms);
    };
    const report = await carryWave(depsOf(world), input, sleep);
    expect(report).toMatchObject({ end: 'complete', counts: { confirmed: 35 } });
    expect(most).toBe(10);
  });

  it('goes into a group where a batch is more than a job can name', async () => {
    const world = new World(many(150));
    const report = await carry(world, ask(world, [150], { inFlight: 120 }));
    expect(report).toMatchObject({ end: 'complete', counts: { confirmed: 150 } });
    expect([...world.groups.values()].map(({ size }) => size)).toEqual([120]);
  });

  it('aborts at any failure of the first wave, and says when', async () => {
    const world = new World([...many(4), 'crash']);
    const report = await carry(world, ask(world, [5]));
    expect(report).toMatchObject({ end: 'abort', counts: { failed: 1 } });
    expect(report.crossedAt).not.toBeNull();
    const later = await carry(world, ask(world, [5]));
    expect(later).toMatchObject({ end: 'abort', crossedAt: report.crossedAt });
  });

  it('tries a device again whose network failed, and no other', async () => {
    const world = new World([...many(4), 'network']);
    const report = await carry(world, ask(world, [5]));
    expect(report).toMatchObject({ end: 'complete', counts: { confirmed: 5 } });
    expect(world.askedOf('d-004')).toHaveLength(2);
    expect(world.askedOf('d-000')).toHaveLength(1);
  });

  it.each([
    ['hang', 'silent'],
    ['mute', 'silent'],
    ['liar', 'silent'],
  ] as const)('counts a device that is %s as %s, and ends what it was asked', async (how, as) => {
    const world = new World([...many(4), how]);
    const report = await carry(world, ask(world, [5]));
    expect(report).toMatchObject({ end: 'abort', counts: { [as]: 1 } });
    expect(world.cancelled).toEqual(how === 'liar' ? [] : ['d-004']);
  });

  it('lists who was not connected apart from failures, and leaves nothing pending', async () => {
    const world = new World([...many(4), 'offline']);
    const report = await carry(world, ask(world, [5]));
    expect(report).toMatchObject({ end: 'complete', counts: { confirmed: 4, unreached: 1 } });
    expect(world.cancelled).toEqual(['d-004']);
  });

  it('holds where too few were reached, until a person lets it pass', async () => {
    const world = new World([...many(1), ...many(4, 'offline')]);
    const input = ask(world, [5]);
    expect(await carry(world, input)).toMatchObject({ end: 'hold', counts: { unreached: 4 } });
    const report = await carry(world, { ...input, overridden: true, holding: true });
    expect(report).toMatchObject({ end: 'complete' });
  });

  it('asks for the next hop only who has confirmed the one before', async () => {
    const stone: Hop = { target: 'pump/1.0.5.tar', version: '1.0.5', release: 1, revert: null };
    const world = new World(many(12));
    const report = await carry(world, ask(world, [12], {}, [stone, HOP]));
    expect(report).toMatchObject({ end: 'complete', counts: { confirmed: 12 } });
    for (const { switched } of world.devices.values()) expect(switched).toEqual([1, 2]);
  });

  it('leaves out who is held, also who was taken after the wave was opened', async () => {
    const world = new World(many(5));
    const input = ask(world, [5], { inFlight: 2 });
    world.held.set('d-001', 'quarantine/d-001');
    const opened = await openWave(depsOf(world), input);
    expect(opened.skipped).toEqual({ count: 1, examples: ['d-001 (quarantine/d-001)'] });
    world.held.set('d-004', 'quarantine/d-004');
    const report = await carry(world, input);
    expect(report).toMatchObject({ end: 'complete', counts: { confirmed: 3, skipped: 2 } });
    expect([...world.askedOf('d-001'), ...world.askedOf('d-004')]).toEqual([]);
  });

  it('asks nobody while it is paused, at stop, or before a window opens', async () => {
    const world = new World(many(5));
    const input = ask(world, [5]);
    const soon = { ...input, calls: 0 };
    expect(await carry(world, { ...soon, paused: true })).toMatchObject({ end: 'progress' });
    world.stopped = true;
    const stopped = await carry(world, soon);
    expect(stopped).toMatchObject({ end: 'progress' });
    expect(stopped.next).toMatch(/kill switch is at stop/);
    world.stopped = false;
    const windowed = ask(world, [5], { window: { from: '05:00', to: '06:00' } });
    const closed = await carry(world, { ...windowed, calls: 0 });
    expect(closed).toMatchObject({ end: 'progress', nextAt: '2026-11-25T05:00:00.000Z' });
    expect(world.jobs.size).toBe(0);
  });
});

describe('a worker that is killed at any call', () => {
  const mixed = (): Behaviour[] => [...many(12), 'network', 'offline', 'hang'];
  /** A second wave, in which single failures do not abort. */
  const input = (world: World): CarryInput => {
    const ref = world.plan([0, 15], { inFlight: 6 });
    const steering = { calls: 20, holding: false, paused: false, overridden: false };
    return { ref, kind: 'rollout', wave: 2, fence: 1, ...steering };
  };
  async function untilDone(world: World): Promise<WaveReport> {
    const request = input(world);
    for (let attempt = 0; attempt < 50; attempt += 1) {
      try {
        return await carry(world, request);
      } catch (err) {
        if (!(err instanceof Killed)) throw err;
        await world.sleep(100);
      }
    }
    throw new Error('it never ended');
  }

  it.each(['before', 'after'] as const)('%s it, asks no device twice', async (when) => {
    const whole = new World(mixed());
    const expected = await untilDone(whole);
    expect(expected.end).toBe('abort');
    const devices = [...whole.devices.keys()];
    for (let at = 1; at <= whole.calls; at += 1) {
      const world = new World(mixed());
      world.die = (call) => (call === at ? when : null);
      const report = await untilDone(world);
      expect([at, report.end, report.reasons]).toEqual([at, expected.end, expected.reasons]);
      const records = await readRecords(world.store, 'abcdef012345', 'rollout');
      for (const thing of devices) {
        const asked = records
          .filter(({ things }) => things.includes(thing))
          .map(({ hop, attempt }) => `${hop}/${attempt}`);
        expect([at, thing, new Set(asked).size]).toEqual([at, thing, asked.length]);
        expect(world.askedOf(thing).length).toBeLessThanOrEqual(asked.length);
        expect(world.device(thing).switched.length).toBeLessThanOrEqual(1);
      }
    }
  });
});
