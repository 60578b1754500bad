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

  it('takes a plan of more targets than one can show, by its summary', () => {
    const answer = { targetHash: hash, targets: [], summary: '200 of 200 devices' };
    expect(checkTarget('stagedOta', answer)).toEqual(answer);
  });

  it('shows no control characters of a summary: it goes to a terminal', () => {
    const summary = '\u001b[2J200 devices\r\nof \u202e200';
    const shown = checkTarget('stagedOta', { targetHash: hash, targets: [], summary });
    expect(shown.summary).toBe('[2J200 devices of  200');
  });

  it('holds targets against their hash, whatever the summary says', () => {
    const answer = { targetHash: hash, targets: ['t-1'], summary: 'two devices' };
    expect(() => checkTarget('quarantine', answer)).toThrow(/not that of the targets/);
  });

  it.each<[string, string, unknown]>([
    ['other targets than hashed', 'quarantine', { targetHash: hash, targets: ['t-1'] }],
    ['the hash of another runbook', 'stagedOta', { targetHash: hash, targets }],
    ['no targets', 'quarantine', { targetHash: hash, targets: [] }],
    ['a workflow that waits for no approval', 'quarantine', { targetHash: '', targets }],
    [
      'no targets and a blank summary',
      'stagedOta',
      { targetHash: hash, targets: [], summary: '\n' },
    ],
    ['a summary that is no text', 'stagedOta', { targetHash: hash, targets: [], summary: 1 }],
    [
      'a rollout that waits for no approval',
      'stagedOta',
      { targetHash: '', targets: [], summary: '200 devices' },
    ],
    ['nothing', 'quarantine', null],
  ])('refuses %s', (_, runbook, answer) => {
    expect(() => checkTarget(runbook, answer)).toThrow(/targets/);
  });
});
