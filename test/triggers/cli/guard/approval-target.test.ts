import { describe, expect, it } from '@jest/globals';
import { targetHash } from '../../../../domain/guard/target-hash';
import { checkTarget } from '../../../../triggers/cli/guard/approval-target';

const targets = ['t-1', 't-2'];
const hash = targetHash({ runbook: 'quarantine', things: targets });

describe('checkTarget', () => {
  it('takes a hash that is that of the targets shown', () => {
    const answer = { targetHash: hash, targets };
    expect(checkTarget('quarantine', answer)).toEqual(answer);
  });

  it.each<[string, string, unknown]>([
    ['other targets than hashed', 'quarantine', { targetHash: hash, targets: ['t-1'] }],
    ['the hash of another runbook', 'stagedOta', { targetHash: hash, targets }],
    ['no targets', 'quarantine', { targetHash: hash, targets: [] }],
    ['a workflow that waits for no approval', 'quarantine', { targetHash: '', targets }],
    ['nothing', 'quarantine', null],
  ])('refuses %s', (_, runbook, answer) => {
    expect(() => checkTarget(runbook, answer)).toThrow(/targets/);
  });
});
