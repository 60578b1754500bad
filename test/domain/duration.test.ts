import { describe, expect, it } from '@jest/globals';

import { formatDuration, parseDuration } from '../../domain/duration';

describe('a duration', () => {
  it.each([
    ['250 milliseconds', 250],
    ['1 second', 1_000],
    ['10 minutes', 600_000],
    ['4 hours', 14_400_000],
    ['7 days', 604_800_000],
    ['0 seconds', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    '10',
    '10m',
    '1.5 hours',
    '-1 hour',
    '1  hour',
    '1 hour ',
    '1 fortnight',
    '1e9 days',
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  it('refuses a huge string without looking at all of it', () => {
    expect(parseDuration(`${'9'.repeat(1_000_000)} days`)).toBeNull();
  });

  it.each(['250 milliseconds', '1 second', '10 minutes', '25 hours', '7 days'])(
    'is written back as it was typed: %s',
    (text) => {
      expect(formatDuration(parseDuration(text) ?? Number.NaN)).toBe(text);
    },
  );
});
