import { describe, expect, it } from '@jest/globals';
import { Backoff } from '../../device-agent/connection/backoff';

const settings = { baseMs: 100, capMs: 1_000 };

describe('the reconnect back-off', () => {
  it.each([
    [0, 0],
    [0.5, 50],
    [0.999, 99],
  ])('takes %s of the whole range from zero, the full jitter', (random, ms) => {
    expect(new Backoff(settings, () => random).next()).toBe(ms);
  });

  it('doubles its ceiling up to the cap and no further', () => {
    const backoff = new Backoff(settings, () => 1);
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
  });

  it('stays at the cap after ten thousand failures', () => {
    const backoff = new Backoff(settings, () => 1);
    for (let failure = 0; failure < 10_000; failure += 1) backoff.next();
    expect(backoff.next()).toBe(1_000);
  });

  it('starts over once it is reset', () => {
    const backoff = new Backoff(settings, () => 1);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });
});
