import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { containment, glob, globMatches } from '../../../domain/policy/glob';

describe('globMatches', () => {
  it.each([
    ['topic/dt/*', 'topic/dt/a/b', true],
    ['topic/dt/*', 'topic/dt/', true],
    ['topic/dt/*', 'topic/dt', false],
    ['topic/dt/?', 'topic/dt/a', true],
    ['topic/dt/?', 'topic/dt/', false],
    ['*', '', true],
    ['topic/+/x', 'topic/a/x', false],
    ['topicfilter/dt/+/x', 'topicfilter/dt/+/x', true],
    ['topicfilter/dt/*', 'topicfilter/dt/#', true],
    ['a.c', 'abc', false],
    ['**a*?', 'xxab', true],
  ])('matches %s against %s as %s', (pattern, text, expected) => {
    expect(globMatches(glob(pattern), text)).toBe(expected);
  });

  it('answers on patterns that make a backtracking matcher hang', () => {
    expect(globMatches(glob('*a'.repeat(200) + 'b'), 'a'.repeat(2000))).toBe(false);
  });
});

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 7 });
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 7 });

describe('containment', () => {
  it('covers by the union of patterns, not only by one of them', () => {
    const covers = ['a*', 'b*'].map(glob);
    expect(containment([glob('?*'), glob('a*')], covers)).toEqual({ covered: true });
    expect(containment([glob('?*')], covers)).toMatchObject({ covered: false });
  });

  it('gives a witness that matches all that is required and no cover', () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 2 }),
        fc.array(pattern, { maxLength: 3 }),
        (required, covers) => {
          const answer = containment(required.map(glob), covers.map(glob));
          if (answer.covered) return;
          const { witness } = answer;
          if (witness === null) throw new Error('patterns this small are decided');
          for (const each of required) expect(globMatches(glob(each), witness)).toBe(true);
          for (const each of covers) expect(globMatches(glob(each), witness)).toBe(false);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('never says covered of a text that no cover matches', () => {
    let covered = 0;
    fc.assert(
      fc.property(
        pattern,
        fc.array(pattern, { maxLength: 3 }),
        text,
        (required, covers, sample) => {
          if (!containment([glob(required)], covers.map(glob)).covered) return;
          if (!globMatches(glob(required), sample)) return;
          covered++;
          expect(covers.some((each) => globMatches(glob(each), sample))).toBe(true);
        },
      ),
      { numRuns: 5000 },
    );
    expect(covered).toBeGreaterThan(10);
  });

  it('gives up as not covered instead of running away', () => {
    const hard = Array.from({ length: 6 }, (_, i) =>
      glob(`*${'ab'.charAt(i % 2)}${'?'.repeat(14 + i)}`),
    );
    expect(containment([glob('*a*b*a*')], hard)).toMatchObject({ covered: false });
  });
});
