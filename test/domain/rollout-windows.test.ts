import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isOpen, isTimezone, nextOpening } from '../../domain/rollout/windows';
import type { Window } from '../../domain/rollout/types';

const at = (iso: string): number => Date.parse(iso);
const NIGHT: Window = { from: '01:00', to: '05:00' };
const OVER: Window = { from: '22:00', to: '02:00', days: ['sat'] };

describe('a window', () => {
  it.each([
    [NIGHT, 'UTC', '2026-11-25T00:59:59Z', false],
    [NIGHT, 'UTC', '2026-11-25T01:00:00Z', true],
    [NIGHT, 'UTC', '2026-11-25T04:59:59Z', true],
    [NIGHT, 'UTC', '2026-11-25T05:00:00Z', false],
    [NIGHT, 'Europe/Oslo', '2026-11-25T00:30:00Z', true],
    [NIGHT, 'Asia/Kolkata', '2026-11-24T19:31:00Z', true],
    [NIGHT, 'Mars/Olympus', '2026-11-25T01:30:00Z', true],
    // 2026-11-28 is a Saturday.
    [OVER, 'UTC', '2026-11-28T21:59:00Z', false],
    [OVER, 'UTC', '2026-11-28T22:00:00Z', true],
    [OVER, 'UTC', '2026-11-29T01:59:00Z', true],
    [OVER, 'UTC', '2026-11-28T01:00:00Z', false],
    [OVER, 'UTC', '2026-11-29T22:30:00Z', false],
  ])('%j in %s at %s is open: %s', (window, timezone, time, open) => {
    expect(isOpen(window, timezone, at(time))).toBe(open);
  });

  it.each([
    [NIGHT, 'UTC', '2026-11-25T06:00:00Z', '2026-11-26T01:00:00Z'],
    [NIGHT, 'America/New_York', '2026-11-25T12:00:00Z', '2026-11-26T06:00:00Z'],
    [OVER, 'UTC', '2026-11-29T03:00:00Z', '2026-12-05T22:00:00Z'],
    // The clock goes forward over the whole window: it opens at its end of that hour, not a day later.
    [{ from: '02:30', to: '04:00' }, 'Europe/Oslo', '2026-03-29T00:30:00Z', '2026-03-29T01:00:00Z'],
  ] as const)('%j in %s after %s opens at %s', (window, timezone, time, opening) => {
    expect(new Date(nextOpening(window, timezone, at(time))).toISOString()).toBe(
      new Date(opening).toISOString(),
    );
  });

  it('opens within nine days, is open then and not a minute before', () => {
    const minutes = fc.integer({ min: 0, max: 1_439 });
    const clock = (minute: number) =>
      `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
    const zone = fc.constantFrom('UTC', 'Europe/Oslo', 'America/St_Johns', 'Pacific/Auckland');
    fc.assert(
      fc.property(
        minutes,
        fc.integer({ min: 61, max: 1_400 }),
        zone,
        fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2027-12-31T00:00:00Z') }),
        (from, length, timezone, now) => {
          const window = { from: clock(from), to: clock((from + length) % 1_440) };
          const opening = nextOpening(window, timezone, now);
          expect(isOpen(window, timezone, opening)).toBe(true);
          if (opening > now) expect(isOpen(window, timezone, opening - 60_000)).toBe(false);
          expect(opening - now).toBeLessThan(2 * 86_400_000);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('knows time zones by name', () => {
    expect(isTimezone('Europe/Oslo')).toBe(true);
    expect(isTimezone('../etc')).toBe(false);
  });
});
