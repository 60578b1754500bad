import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  chanceOfWorse as chance,
  compareCohorts,
  matchedControl,
  unhealthyOf,
} from '../../domain/rollout/cohort';
import type { HealthCounts } from '../../domain/rollout/types';

const cohort = (devices: number, unhealthy: number, offline = 0): HealthCounts => ({
  devices,
  healthy: devices - unhealthy,
  degraded: 0,
  unhealthy,
  offline,
});
const chanceOfWorse = (updated: HealthCounts, control: HealthCounts): number =>
  chance(unhealthyOf(updated), unhealthyOf(control));
const compared = (updated: HealthCounts, control: HealthCounts) => compareCohorts(updated, control);

describe('two cohorts', () => {
  it.each([
    // By hand: choose(4,3)·choose(4,1)/choose(8,4) + choose(4,4)·choose(4,0)/choose(8,4).
    [cohort(4, 3), cohort(4, 1), 17 / 70],
    [cohort(10, 10), cohort(10, 0), 1 / 184_756],
    [cohort(1, 1), cohort(1, 0), 0.5],
    // Fisher's tea: all four right of four and four.
    [cohort(4, 4), cohort(4, 0), 1 / 70],
  ])('differ by chance as often as Fisher says (%#)', (updated, control, exactly) => {
    expect(chanceOfWorse(updated, control)).toBeCloseTo(exactly, 10);
  });

  it.each([
    ['all well', cohort(50, 0), cohort(500, 0), 0, false],
    ['as many unhealthy as elsewhere', cohort(100, 5), cohort(1000, 50), 0, false],
    ['better than elsewhere', cohort(100, 1), cohort(1000, 50), -4, false],
    ['one of twenty, none elsewhere', cohort(20, 1), cohort(20, 0), 5, false],
    ['one of twenty, none of very many elsewhere', cohort(20, 1), cohort(100_000, 0), 5, true],
    ['a planted 10 %', cohort(100, 10), cohort(1000, 5), 9.5, true],
    ['a planted 1 % in a big fleet', cohort(100_000, 1_500), cohort(900_000, 4_500), 1, true],
    ['all of nine, which are too few', cohort(9, 9), cohort(1000, 0), 100, false],
    ['all of ten', cohort(10, 10), cohort(1000, 0), 100, true],
    ['too few to compare with', cohort(1000, 1000), cohort(9, 0), 100, false],
    ['nobody updated', cohort(0, 0), cohort(1000, 0), 0, false],
    ['nobody left', cohort(1000, 10), cohort(0, 0), 0, false],
  ])('are told apart: %s', (_what, updated, control, worseBy, significant) => {
    const difference = compared(updated, control);
    expect(difference.worseBy).toBeCloseTo(worseBy, 10);
    expect(difference.significant).toBe(significant);
  });

  it('are told apart by who is offline, too: what a release has killed reports nothing worse', () => {
    expect(compared(cohort(50, 0, 20), cohort(500, 0, 25))).toEqual({
      worseBy: 0,
      significant: false,
      offlineBy: 35,
      offlineSignificant: true,
    });
    expect(compared(cohort(50, 0, 3), cohort(500, 0, 25)).offlineSignificant).toBe(false);
  });

  const sized = fc
    .record({ devices: fc.integer({ min: 1, max: 5_000 }), unhealthy: fc.nat() })
    .map(({ devices, unhealthy }) => cohort(devices, unhealthy % (devices + 1)));

  it('differ by a chance between 0 and 1, which falls as more updated devices get unhealthy', () => {
    fc.assert(
      fc.property(sized, sized, (updated, control) => {
        const now = chanceOfWorse(updated, control);
        expect(now).toBeGreaterThanOrEqual(0);
        expect(now).toBeLessThanOrEqual(1);
        if (updated.unhealthy === updated.devices) return;
        const worse = cohort(updated.devices, updated.unhealthy + 1);
        expect(chanceOfWorse(worse, control)).toBeLessThanOrEqual(now + 1e-9);
      }),
    );
  });

  it('that are the same are called different in fewer than 1 of 100 looks', () => {
    let falseAlarms = 0;
    const looks = 2_000;
    const random = seeded(7);
    for (let look = 0; look < looks; look += 1) {
      const draw = (devices: number) =>
        cohort(devices, Array.from({ length: devices }).filter(() => random() < 0.1).length);
      if (compared(draw(60), draw(120)).significant) falseAlarms += 1;
    }
    expect(falseAlarms / looks).toBeLessThan(0.01);
  });
});

describe('the control cohort', () => {
  it('has as many devices of each kind as the updated ones have', () => {
    const strata = [
      { updated: 30, control: cohort(300, 0) },
      { updated: 10, control: cohort(400, 100) },
    ];
    // 300 and 100: as many as the scarcer kind allows. Unweighted it would be 100 of 700.
    expect(matchedControl(strata)).toEqual(cohort(400, 25));
  });

  it('does not put down to the update what one kind of device is like', () => {
    const strata = [
      { updated: 90, control: cohort(100, 50) },
      { updated: 10, control: cohort(1000, 0) },
    ];
    const updated = cohort(100, 45);
    expect(compared(updated, matchedControl(strata)).significant).toBe(false);
    const unmatched = cohort(1100, 50);
    expect(compared(updated, unmatched).significant).toBe(true);
  });

  it('is none where too many updated devices have nothing to be compared with', () => {
    const control = cohort(1000, 0);
    const none = cohort(0, 0);
    expect(
      matchedControl([
        { updated: 9, control: none },
        { updated: 91, control },
      ]).devices,
    ).toBe(1000);
    expect(
      matchedControl([
        { updated: 11, control: none },
        { updated: 89, control },
      ]),
    ).toEqual(none);
    expect(matchedControl([])).toEqual(none);
    expect(matchedControl([{ updated: 0, control }])).toEqual(none);
  });

  it('never has more unhealthy devices than devices', () => {
    const stratum = fc.record({
      updated: fc.nat({ max: 50 }),
      control: fc
        .record({
          healthy: fc.nat({ max: 50 }),
          degraded: fc.nat({ max: 50 }),
          unhealthy: fc.nat({ max: 50 }),
        })
        .map((some) => ({ ...some, devices: some.healthy + some.degraded + some.unhealthy })),
    });
    fc.assert(
      fc.property(fc.array(stratum, { maxLength: 4 }), (strata) => {
        const { devices, healthy, degraded, unhealthy } = matchedControl(strata);
        expect(unhealthy).toBeLessThanOrEqual(devices);
        expect(Math.min(devices, healthy, degraded, unhealthy)).toBeGreaterThanOrEqual(0);
        expect([devices, healthy, degraded, unhealthy].every(Number.isInteger)).toBe(true);
      }),
    );
  });
});

/** Mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
