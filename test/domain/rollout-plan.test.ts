import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { countQueries, queriesOf, selects } from '../../domain/fleet/selector';
import { estimate, worstCaseAtRisk } from '../../domain/rollout/estimate';
import { closeTo, raisesEpoch, releaseOf, routeTo, type Signed } from '../../domain/rollout/routes';
import { countStrata, stratify } from '../../domain/rollout/strata';
import { waveSizes, wavesProblem } from '../../domain/rollout/waves';

describe('wave sizes', () => {
  it.each([
    [['max(5, 1%)', '10%', '50%', '100%'], 200, [5, 15, 80, 100]],
    [['max(5, 1%)', '10%', '50%', '100%'], 10_000, [100, 900, 4_000, 5_000]],
    [['max(5, 1%)', '10%', '50%', '100%'], 4, [4]],
    [['max(5, 1%)', '10%', '50%', '100%'], 60, [5, 1, 24, 30]],
    [[5, 20, 100, 75], 200, [5, 20, 100, 75]],
    [['0.5%', '100%'], 1_000, [5, 995]],
  ])('of %j in %d devices are %j', (waves, devices, sizes) => {
    expect(waveSizes(waves, devices)).toEqual({ ok: true, sizes });
  });

  it('that do not sum to the devices are refused with both sums', () => {
    expect(waveSizes([5, 20], 26)).toEqual({
      ok: false,
      problem: '5 + 20 are 25, but 26 devices are due',
    });
  });

  it.each([
    [[], 'must be like'],
    [[0], 'must be like'],
    [[1.5], 'must be like'],
    [['all'], 'must be like'],
    [['101%'], 'must be like'],
    [['0%', '100%'], 'must be like'],
    [[5, '100%'], 'must be all numbers of devices, or all shares'],
    [['10%', '50%'], 'must end at 100%'],
    [['50%', '10%', '100%'], 'must rise'],
    [['10%', '10%', '100%'], 'must rise'],
  ])('like %j are refused: %s', (waves, problem) => {
    expect(wavesProblem(waves)).toContain(problem);
  });

  it('always are all devices, and the first is never more than max(5, 1 %)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), (devices) => {
        const found = waveSizes(['max(5, 1%)', '10%', '50%', '100%'], devices);
        const sizes = found.ok ? found.sizes : [];
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(devices);
        expect(sizes[0]).toBeLessThanOrEqual(Math.max(5, devices / 100));
        expect(Math.min(...sizes)).toBeGreaterThan(0);
      }),
    );
  });
});

describe('the order of dispatch', () => {
  const fleet = fc
    .array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 })
    .map((sizes) =>
      sizes.flatMap((size, stratum) =>
        Array.from({ length: size }, (_, index) => ({
          thing: `d-${stratum}-${index}`,
          stratum: `rev-${stratum}/oslo/1.0.0`,
        })),
      ),
    );

  it('has every stratum in its share in any first part, and one of each before a second', () => {
    fc.assert(
      fc.property(fleet, fc.string(), fc.nat(), (devices, seed, cut) => {
        const ordered = stratify(devices, seed);
        expect(ordered.map(({ thing }) => thing).sort()).toEqual(
          devices.map(({ thing }) => thing).sort(),
        );
        const count = cut % (devices.length + 1);
        const whole = countStrata(devices);
        const part = countStrata(ordered.slice(0, count));
        for (const [stratum, size] of Object.entries(whole)) {
          const share = (size * count) / devices.length;
          // Those that come first by one of each push the others back by as many at most.
          expect(part[stratum] ?? 0).toBeGreaterThanOrEqual(
            Math.floor(share) - Object.keys(whole).length,
          );
          expect(part[stratum] ?? 0).toBeLessThanOrEqual(Math.ceil(share) + 1);
        }
        const first = ordered.slice(0, Object.keys(whole).length);
        expect(Object.values(countStrata(first))).toEqual(first.map(() => 1));
      }),
    );
  });

  it('is the same for the same seed in whatever order devices are found', () => {
    fc.assert(
      fc.property(fleet, fc.string(), (devices, seed) => {
        expect(stratify([...devices].reverse(), seed)).toEqual(stratify(devices, seed));
      }),
    );
  });
});

const signed = (version: string, release: number, more: Partial<Signed> = {}): Signed => ({
  ...{ name: `pump/${version}.tar`, version, release, securityEpoch: 0, hardware: ['rev-a'] },
  ...more,
});

describe('the way to a release', () => {
  const v1 = signed('1.0.0', 1);
  const v2 = signed('2.0.0', 2);
  const back2 = signed('1.0.0', 3, { name: 'pump/back-2.tar', reverts: 2 });
  const v3 = signed('3.0.0', 4, { minimumRelease: 2 });
  const back3 = signed('1.0.0', 5, { name: 'pump/back-3.tar', reverts: 4 });
  const all = [v1, v2, back2, v3, back3];
  const from = { hardware: 'rev-a', from: '1.0.0', release: 1 };
  const targets = (route: ReturnType<typeof routeTo>) =>
    route?.hops.map(({ target, revert }) => [target, revert?.target ?? null]) ?? null;

  it('is direct where the release asks for nothing, with the signed way back', () => {
    expect(targets(routeTo(v2, from, all))).toEqual([['pump/2.0.0.tar', 'pump/back-2.tar']]);
  });

  it('goes over a stepping stone where it asks for a minimum, and back from each hop', () => {
    expect(targets(routeTo(v3, from, all))).toEqual([
      ['pump/2.0.0.tar', 'pump/back-2.tar'],
      ['pump/3.0.0.tar', 'pump/back-3.tar'],
    ]);
  });

  it('is direct from a factory image that nothing is known of', () => {
    expect(targets(routeTo(v2, { ...from, from: '0.9.0', release: null }, all))).toEqual([
      ['pump/2.0.0.tar', null],
    ]);
  });

  it('goes over the newest stepping stone, but sooner over one that can be gone back', () => {
    const newer = signed('2.1.0', 6);
    const v4 = signed('4.0.0', 9, { minimumRelease: 2 });
    const stones = (releases: Signed[]) => targets(routeTo(v4, from, releases))?.[0];
    expect(stones([v1, v2, newer, v4])).toEqual(['pump/2.1.0.tar', null]);
    expect(stones([v1, v2, back2, newer, v4])).toEqual(['pump/2.0.0.tar', 'pump/back-2.tar']);
  });

  it('is found at once among many releases that all ask for a minimum', () => {
    const many = Array.from({ length: 200 }, (_, index) =>
      signed(`1.${index}.0`, index + 10, index < 2 ? {} : { minimumRelease: 11 }),
    );
    const last = many.at(-1) ?? v3;
    expect(routeTo(last, from, [v1, ...many])?.hops).toHaveLength(2);
  });

  it('to a revert is there only for what the revert is for', () => {
    const start = { hardware: 'rev-a', from: '2.0.0', release: 2 };
    expect(targets(routeTo(back2, start, all))).toEqual([['pump/back-2.tar', null]]);
    expect(routeTo(back2, from, all)).toBeNull();
  });

  it('raises the epoch for those below it alone', () => {
    const epoch1 = signed('5.0.0', 9, { securityEpoch: 1 });
    const later = signed('5.1.0', 10, { securityEpoch: 1 });
    expect(raisesEpoch(epoch1, 1, [...all, epoch1])).toBe(true);
    expect(raisesEpoch(later, 9, [...all, epoch1, later])).toBe(false);
    expect(raisesEpoch(later, null, [...all, epoch1, later])).toBe(true);
    expect(raisesEpoch(v2, null, all)).toBe(false);
  });

  it.each([
    ['other hardware', v2, { ...from, hardware: 'rev-z' }],
    ['a release that is higher already', v2, { ...from, release: 3 }],
    ['no stepping stone for it', signed('9.0.0', 9, { minimumRelease: 8 }), from],
  ])('is none for %s', (_, target, start) => {
    expect(routeTo(target, start, all)).toBeNull();
  });

  it('knows a version by its release, and names what is close to a wrong one', () => {
    expect(releaseOf('2.0.0', 'rev-a', all)).toBe(2);
    expect(releaseOf('2.0.0', 'rev-b', all)).toBeNull();
    expect(closeTo('pump/2.0.1.tar', all)[0]).toBe('pump/2.0.0.tar');
  });
});

describe('what a rollout takes', () => {
  const rates = { createJob: 5, addThingToThingGroup: 50, searchIndex: 10 };
  const waves = [{ size: 100 }, { size: 900 }];

  it('is one job a hundred devices, and no call a device', () => {
    expect(estimate(waves, { inFlight: 100 }, 1_000, rates)).toEqual({
      awsCalls: { SearchIndex: 10, CreateJob: 10 },
      estimatedMs: 3_000,
    });
  });

  it('is one call a device where batches are larger than a job’s targets', () => {
    const { awsCalls } = estimate(waves, { inFlight: 500 }, 1_000, rates);
    expect(awsCalls).toMatchObject({ CreateJob: 3, AddThingToThingGroup: 900 });
  });

  it('risks no more at once than is in flight', () => {
    expect(worstCaseAtRisk(waves, { inFlight: 250 })).toBe(250);
    expect(worstCaseAtRisk([{ size: 5 }], { inFlight: 100 })).toBe(5);
  });
});

describe('a selector', () => {
  it('joins fields by AND and values by OR, for devices of ours only', () => {
    expect(queriesOf({ sites: ['oslo', 'turin'], versions: ['1.0.0'] }, 'ours')).toEqual([
      'thingTypeName:"ours" AND attributes.site:("oslo" OR "turin") AND shadow.reported.firmware.version:"1.0.0"',
    ]);
  });

  it('never asks more than 12 terms, and asks of every value', () => {
    const things = Array.from({ length: 40 }, (_, index) => `d-${index}`);
    const queries = queriesOf({ things, hardware: ['a', 'b', 'c', 'd', 'e', 'f'] }, 'ours');
    for (const query of queries) expect(query.match(/"/g)?.length).toBeLessThanOrEqual(24);
    for (const thing of things) expect(queries.join(' ')).toContain(`"${thing}"`);
  });

  const pump = {
    thing: 'pump-1',
    attributes: { site: 'oslo', hardware: 'a' },
    groups: ['line-3', 'site-oslo'],
    version: '1.0.0',
  };
  it.each([
    [{ things: ['pump-2', 'pump-1'] }, true],
    [{ things: ['Pump-1'] }, false],
    [{ sites: ['oslo'], hardware: ['a'], groups: ['line-3'], versions: ['1.0.0'] }, true],
    [{ sites: ['oslo'], hardware: ['b'] }, false],
    [{ versions: ['1.0'] }, false],
    [{ groups: ['line'] }, false],
    [{ sites: [] }, false],
    [{}, false],
  ])('%j of what the index finds takes a device: %s', (selector, taken) => {
    expect(selects(selector)(pump)).toBe(taken);
  });

  it('takes no device that does not say what is asked for', () => {
    const mute = { thing: 'pump-1', attributes: {}, groups: [], version: null };
    expect(selects({ versions: ['1.0.0'] })(mute)).toBe(false);
    expect(selects({ sites: ['oslo'] })(mute)).toBe(false);
    expect(selects({ things: ['pump-1'] })(mute)).toBe(true);
  });

  it('is counted as it is asked', () => {
    const values = (count: number) => Array.from({ length: count }, (_, index) => `v-${index}`);
    const list = fc.integer({ min: 1, max: 30 }).map(values);
    fc.assert(
      fc.property(
        fc.record({ things: list, sites: list, versions: list }, { requiredKeys: ['things'] }),
        (selector) => {
          expect(countQueries(selector)).toBe(queriesOf(selector, 'ours').length);
        },
      ),
    );
  });

  it.each([
    [{}],
    [{ sites: [] }],
    [{ sites: ['*'] }],
    [{ sites: ['oslo'], things: [] }],
    [{ sites: ['os?o'] }],
    [{ things: ['a" OR thingName:"b'] }],
    [{ groups: [''] }],
    [{ sites: ['oslo OR turin'] }],
  ])('%j means zero devices', (selector) => {
    expect(queriesOf(selector, 'ours')).toEqual([]);
  });
});
