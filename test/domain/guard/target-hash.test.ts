import { describe, expect, it } from '@jest/globals';
import { targetHash } from '../../../domain/guard/target-hash';

describe('targetHash', () => {
  it('stays the same from release to release', () => {
    expect(targetHash({ runbook: 'quarantine', things: ['a', 'b'] })).toBe(
      '973e0e25365c0af65ea5880cf6f46fea36b5402bb30345bd39ddb7c22098cb4a',
    );
  });

  it('does not depend on order or repetition', () => {
    expect(targetHash({ runbook: 'quarantine', things: ['b', 'a', 'b'] })).toBe(
      targetHash({ runbook: 'quarantine', things: ['a', 'b'] }),
    );
  });

  it.each([
    ['another runbook', { runbook: 'stagedOta', things: ['a', 'b'] }],
    ['one thing more', { runbook: 'quarantine', things: ['a', 'b', 'c'] }],
    ['names that read alike when joined', { runbook: 'quarantine', things: ['a,b'] }],
  ])('differs for %s', (_, targets) => {
    expect(targetHash(targets)).not.toBe(targetHash({ runbook: 'quarantine', things: ['a', 'b'] }));
  });
});
