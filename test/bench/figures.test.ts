import { describe, expect, it } from '@jest/globals';
import { countByOperation, median, quantile, residentKb, round } from '../../bench/figures';

describe('median', () => {
  it.each([
    [[3], 3],
    [[5, 1, 3], 3],
    [[4, 1, 3, 2], 2.5],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('of nothing is refused rather than guessed', () => {
    expect(() => median([])).toThrow('nothing');
  });
});

it.each([
  [0.5, 5],
  [0.95, 10],
  [0.1, 1],
])('the quantile %d of 1 to 10 is %d', (share, expected) => {
  expect(quantile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share)).toBe(expected);
});

it.each([
  [1.2345, 2, 1.23],
  [2.5, 0, 3],
])('%d to %d digits is %d', (value, digits, expected) => {
  expect(round(value, digits)).toBe(expected);
});

it('counts calls by operation, most frequent first', () => {
  const calls = ['A', 'B', 'B'].map((operation) => ({ operation }));
  expect(Object.entries(countByOperation(calls))).toEqual([
    ['B', 2],
    ['A', 1],
  ]);
});

it('says 0 for a process that is not there', () => {
  expect(residentKb(2 ** 30)).toBe(0);
});
