import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { capsFor } from '../../../domain/guard/caps';
import type { GuardView } from '../../../domain/guard/decide';
import { decideReservation, MAX_THINGS } from '../../../domain/guard/decide';

const NOW = 1_000_000;
const running = { state: 'run', reason: '', by: '', at: 0 } as const;
const view = (over: Partial<GuardView> = {}): GuardView => ({
  switch: running,
  fleetSize: 12,
  containedNow: 0,
  recentAutomatic: [],
  leases: [],
  approvers: [],
  ...over,
});
const named = (count: number): string[] => Array.from({ length: count }, (_, n) => `t-${n}`);
const ask = (over: Partial<GuardView>, things: string[], owner = 'run-1') =>
  decideReservation(view(over), { owner, things }, NOW);

describe('capsFor', () => {
  it.each([
    [0, 1, 5],
    [12, 1, 5],
    [199, 1, 9],
    [200, 2, 10],
    [100_000, 1_000, 5_000],
    [-5, 1, 5],
    [1_000.5, 1, 5],
    [Number.NaN, 1, 5],
    [Number.POSITIVE_INFINITY, 1, 5],
  ])('allows a fleet of %d %d without a person and %d with two', (size, automatic, approved) => {
    expect(capsFor(size)).toEqual({ automatic, approved });
  });
});

describe('decideReservation', () => {
  it.each<[string, Partial<GuardView>, string[], object]>([
    ['grants the first thing of a small fleet', {}, ['a'], { path: 'automatic', newThings: ['a'] }],
    ['counts a thing named twice once', {}, ['a', 'a'], { path: 'automatic', newThings: ['a'] }],
    [
      'asks for people from the second on',
      { containedNow: 1 },
      ['b'],
      { reason: 'approvalNeeded' },
    ],
    ['counts by thing, not by reservation', {}, ['a', 'b'], { reason: 'approvalNeeded' }],
    [
      'takes one approver for none',
      { approvers: ['ada'] },
      ['a', 'b'],
      { reason: 'approvalNeeded' },
    ],
    [
      'takes the same approver twice for one',
      { approvers: ['ada', 'ada'] },
      ['a', 'b'],
      { reason: 'approvalNeeded' },
    ],
    [
      'grants up to five with two approvers',
      { approvers: ['ada', 'bob'], containedNow: 4 },
      ['e'],
      { path: 'approved' },
    ],
    [
      'refuses a sixth whoever approves',
      { approvers: ['ada', 'bob', 'eve'], containedNow: 5 },
      ['f'],
      { reason: 'capReached' },
    ],
    ['refuses at once what no approval can allow', {}, named(6), { reason: 'capReached' }],
    ['selects nothing for an empty list', {}, [], { reason: 'nothingSelected' }],
    ['selects nothing for a wildcard', {}, ['*'], { reason: 'nothingSelected' }],
    ['selects nothing for a pattern among names', {}, ['a', 'b*'], { reason: 'nothingSelected' }],
    ['selects nothing for an empty name', {}, [''], { reason: 'nothingSelected' }],
    ['selects nothing for a name with a line break', {}, ['a\n'], { reason: 'nothingSelected' }],
    [
      'refuses what another run holds',
      { leases: [{ thing: 'a', owner: 'run-2' }] },
      ['a'],
      { reason: 'leased' },
    ],
    [
      'grants again what the owner holds, even above a cap that shrank',
      { leases: [{ thing: 'a', owner: 'run-1' }], containedNow: 9 },
      ['a'],
      { path: 'held', newThings: [] },
    ],
    [
      'counts only what is new to the owner',
      { leases: [{ thing: 'a', owner: 'run-1' }], containedNow: 1, fleetSize: 200 },
      ['a', 'b'],
      { path: 'automatic', newThings: ['b'] },
    ],
    [
      'refuses more things than one transaction takes',
      { fleetSize: 100_000, approvers: ['ada', 'bob'] },
      named(MAX_THINGS + 1),
      { reason: 'capReached' },
    ],
    [
      'answers stopped whatever is asked',
      { switch: { ...running, state: 'stop' } },
      [],
      { outcome: 'stopped' },
    ],
  ])('%s', (_, over, things, expected) => {
    expect(ask(over, things)).toMatchObject(expected);
  });

  it('grants ten a minute and says when the eleventh would be', () => {
    const fleet = { fleetSize: 10_000, containedNow: 20 };
    const times = [NOW - 60_000, ...Array.from({ length: 9 }, () => NOW - 50_000)];
    expect(ask({ ...fleet, recentAutomatic: times }, ['a'])).toMatchObject({ path: 'automatic' });
    expect(ask({ ...fleet, recentAutomatic: [...times, NOW - 1] }, ['a'])).toMatchObject({
      reason: 'approvalNeeded',
      retryAfterMs: 10_000,
      explanation: expect.stringContaining('Waiting 10 s helps too.'),
    });
    expect(
      ask({ ...fleet, recentAutomatic: [...times, NOW], approvers: ['ada', 'bob'] }, ['a']),
    ).toMatchObject({ path: 'approved' });
  });

  it('does not tell anyone to wait for what the rate never allows', () => {
    const refused = ask({ fleetSize: 10_000 }, named(11));
    expect(refused).toMatchObject({ reason: 'approvalNeeded', retryAfterMs: null });
  });

  it('explains a refusal with figures and what can be done', () => {
    expect(ask({ containedNow: 1, approvers: ['ada'] }, ['b'])).toMatchObject({
      explanation:
        '1 more would make 2 of 12 devices contained at once, and 1 may be without a person. ' +
        'ada and 1 more distinct approver can allow up to 5.',
    });
  });

  it('never grants above the caps, whatever is asked in whatever state', () => {
    const name = fc.oneof(
      fc.constantFrom('*', '', 'a b', 'a/#', '+'),
      fc.stringMatching(/^[a-z]{1,3}$/),
    );
    const people = fc.array(fc.constantFrom('ada', 'bob', 'eve'), { maxLength: 3 });
    fc.assert(
      fc.property(
        fc.array(name, { maxLength: 12 }),
        fc.record({
          fleetSize: fc.oneof(fc.integer({ min: -10, max: 5_000 }), fc.double()),
          containedNow: fc.nat({ max: 60 }),
          approvers: people,
          recentAutomatic: fc.array(fc.integer({ min: NOW - 90_000, max: NOW }), { maxLength: 12 }),
        }),
        (things, over) => {
          const decision = ask(over, things);
          if (decision.outcome !== 'granted') return;
          expect(things.every((thing) => /^[a-z]+$/.test(thing))).toBe(true);
          const fresh = decision.newThings.length;
          expect(fresh).toBe(new Set(things).size);
          const caps = capsFor(over.fleetSize);
          const cap = decision.path === 'automatic' ? caps.automatic : caps.approved;
          expect(over.containedNow + fresh).toBeLessThanOrEqual(cap);
          const recent = over.recentAutomatic.filter((time) => time > NOW - 60_000).length;
          if (decision.path === 'automatic') expect(recent + fresh).toBeLessThanOrEqual(10);
          else expect(new Set(over.approvers).size).toBeGreaterThanOrEqual(2);
        },
      ),
      { numRuns: 20_000 },
    );
  });
});
