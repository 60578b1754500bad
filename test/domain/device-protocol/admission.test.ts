import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { admit, type AdmittingDevice } from '../../../domain/device-protocol/admission';
import type { ReleaseTarget } from '../../../domain/device-protocol/release-target';

const target = (fields: Partial<ReleaseTarget> = {}): ReleaseTarget => ({
  version: '1.4.0',
  release: 8,
  securityEpoch: 2,
  hardware: ['pump-2', 'pump-3'],
  ...fields,
});
const device = (fields: Partial<AdmittingDevice> = {}): AdmittingDevice => ({
  hardware: 'pump-2',
  running: { release: 7, securityEpoch: 2 },
  floor: { release: 7, securityEpoch: 2 },
  ...fields,
});

describe('what a device takes', () => {
  it.each<[string, ReleaseTarget, AdmittingDevice]>([
    ['the next release', target(), device()],
    ['a much later release of a later epoch', target({ release: 90, securityEpoch: 3 }), device()],
    [
      'any release on the factory image',
      target(),
      device({ running: null, floor: { release: 0, securityEpoch: 0 } }),
    ],
    ['a release for those that run the very one it runs', target({ minimumRelease: 7 }), device()],
    ['a revert of what it runs', target({ reverts: 7 }), device()],
    [
      'a release above both what it runs and what it committed later',
      target(),
      device({ running: { release: 5, securityEpoch: 1 } }),
    ],
  ])('admits %s', (_name, offered, to) => {
    expect(admit(offered, to)).toEqual({ admitted: true });
  });

  it.each<[string, ReleaseTarget, AdmittingDevice, string]>([
    [
      'other hardware',
      target({ hardware: ['valve-1'] }),
      device(),
      '1.4.0 is for hardware valve-1, this device is pump-2',
    ],
    [
      'hardware of which its own is only a part',
      target({ hardware: ['pump-22', 'PUMP-2'] }),
      device(),
      '1.4.0 is for hardware pump-22, PUMP-2, this device is pump-2',
    ],
    [
      'a release that needs a stepping stone first',
      target({ release: 9, minimumRelease: 8 }),
      device(),
      '1.4.0 needs release 8 or later to run first, this device runs release 7',
    ],
    [
      'a release that needs a stepping stone first, on the factory image',
      target({ minimumRelease: 1 }),
      device({ running: null, floor: { release: 0, securityEpoch: 0 } }),
      '1.4.0 needs release 1 or later to run first, this device runs its factory image',
    ],
    [
      'a release whose stepping stone it has left again, though it once committed it',
      target({ release: 9, minimumRelease: 7 }),
      device({ running: { release: 5, securityEpoch: 2 } }),
      '1.4.0 needs release 7 or later to run first, this device runs release 5',
    ],
    [
      'a lower security epoch, though the release rises',
      target({ securityEpoch: 1 }),
      device(),
      '1.4.0 has security epoch 1, below 2, which this device has committed to',
    ],
    [
      'a lower release',
      target({ release: 6 }),
      device(),
      '1.4.0 is release 6, not above 7, which this device runs',
    ],
    [
      'the same release again',
      target({ release: 7 }),
      device(),
      '1.4.0 is release 7, not above 7, which this device runs',
    ],
    [
      'a release below one that it committed before',
      target(),
      device({ floor: { release: 9, securityEpoch: 2 } }),
      '1.4.0 is release 8, not above 9, which this device has committed before',
    ],
    [
      'a release that its factory image is above',
      target(),
      device({ running: null, floor: { release: 8, securityEpoch: 0 } }),
      '1.4.0 is release 8, not above 8, which this device has committed before',
    ],
    [
      'a revert of another release',
      target({ reverts: 6 }),
      device(),
      '1.4.0 reverts release 6 alone, this device runs release 7',
    ],
    [
      'a revert on the factory image',
      target({ reverts: 6 }),
      device({ running: null }),
      '1.4.0 reverts release 6 alone, this device runs its factory image',
    ],
    [
      'a revert target with a release that is not above what it reverts',
      target({ release: 7, reverts: 7 }),
      device(),
      '1.4.0 is release 7, not above 7, which this device runs',
    ],
  ])('refuses %s', (_name, offered, to, reason) => {
    expect(admit(offered, to)).toEqual({ admitted: false, reason });
  });
});

const count = fc.nat({ max: 6 });
const position = fc.record({ release: count, securityEpoch: count });
const anyTarget = fc.record(
  {
    version: fc.constant('1.0'),
    release: fc.integer({ min: 1, max: 6 }),
    securityEpoch: count,
    hardware: fc.subarray(['pump-1', 'pump-2'], { minLength: 1 }),
    reverts: fc.integer({ min: 1, max: 6 }),
  },
  { requiredKeys: ['version', 'release', 'securityEpoch', 'hardware'] },
);
const offers = fc.array(anyTarget, { maxLength: 30 });

describe('over any sequence of offers', () => {
  /** Commits whatever is admitted. */
  function run(offered: ReleaseTarget[], start: AdmittingDevice): ReleaseTarget[] {
    let at = start;
    return offered.filter((offer) => {
      if (!admit(offer, at).admitted) return false;
      const { release, securityEpoch } = offer;
      const floor = {
        release: Math.max(at.floor.release, release),
        securityEpoch: Math.max(at.floor.securityEpoch, securityEpoch),
      };
      at = { ...at, running: { release, securityEpoch }, floor };
      return true;
    });
  }

  it('the release rises strictly, the epoch never falls, and every artifact is for this hardware', () => {
    let admittedOnes = 0;
    fc.assert(
      fc.property(offers, position, (offered, floor) => {
        const taken = run(offered, { hardware: 'pump-1', running: null, floor });
        admittedOnes += taken.length;
        const steps = [floor, ...taken];
        for (const [index, next] of taken.entries()) {
          const before = steps[index] ?? floor;
          expect(next.release).toBeGreaterThan(before.release);
          expect(next.securityEpoch).toBeGreaterThanOrEqual(before.securityEpoch);
          expect(next.hardware).toContain('pump-1');
        }
      }),
      { numRuns: 300 },
    );
    expect(admittedOnes).toBeGreaterThan(0);
  });

  it('a revert is taken only where what it reverts runs', () => {
    fc.assert(
      fc.property(anyTarget, fc.option(position), position, (offer, running, floor) => {
        const { admitted } = admit(offer, { hardware: 'pump-1', running, floor });
        if (admitted && offer.reverts !== undefined) expect(running?.release).toBe(offer.reverts);
      }),
      { numRuns: 500 },
    );
  });

  it('a higher floor admits nothing more', () => {
    fc.assert(
      fc.property(anyTarget, fc.option(position), position, position, (offer, running, a, b) => {
        const higher = {
          release: Math.max(a.release, b.release),
          securityEpoch: Math.max(a.securityEpoch, b.securityEpoch),
        };
        const on = (floor: typeof a) => admit(offer, { hardware: 'pump-1', running, floor });
        if (on(higher).admitted) expect(on(a)).toEqual({ admitted: true });
      }),
      { numRuns: 500 },
    );
  });
});
