import { describe, expect, it } from '@jest/globals';
import type { Judgement } from '../../domain/rollout/gate';
import type { WaveCounts } from '../../domain/rollout/types';
import {
  counts,
  judged,
  measured,
  metric,
  MINUTE,
  NOW,
  rule,
  rulesOf,
} from '../support/rollout-gate';

const textsOf = ({ reasons }: Judgement): string[] => reasons.map(({ text }) => text);

describe('the gate', () => {
  it('lets the next wave start where the wave is complete and nothing speaks against it', () => {
    expect(judged(measured())).toEqual({
      decision: 'advance',
      reasons: [],
      dispatch: false,
      noDataSince: null,
    });
  });

  it('lets more of the same wave be asked while it is not complete, and says what it waits for', () => {
    const open = counts({ waiting: 20, queued: 5, inProgress: 3, succeeded: 2, confirmed: 10 });
    const verdict = judged(measured({ complete: false, counts: open }));
    expect(verdict).toMatchObject({ decision: 'hold', dispatch: true });
    expect(textsOf(verdict)).toEqual([
      'of 40 devices: 20 wait to be asked, 5 have not begun, 3 are at it, 2 have installed it and not confirmed their health yet',
    ]);
  });

  it('aborts on any failure in the first wave', () => {
    const verdict = judged(
      measured({
        wave: 1,
        complete: false,
        counts: counts({ size: 5, confirmed: 1, failed: 1, waiting: 3 }),
      }),
    );
    expect(verdict).toMatchObject({ decision: 'abort', dispatch: false });
    expect(verdict.reasons).toEqual([
      {
        rule: 'firstWave',
        text: '1 of 2 devices failed (50 %; 0 of them silent); any failure in the first wave is enough',
      },
    ]);
  });

  it.each([
    ['5 % of those that executed', { confirmed: 19, failed: 1, waiting: 20 }, 'abort'],
    ['just less', { confirmed: 20, failed: 1, waiting: 19 }, 'hold'],
    ['one of ten', { confirmed: 9, silent: 1, waiting: 30 }, 'abort'],
    ['one of nine, which is too early to tell', { confirmed: 8, failed: 1, waiting: 31 }, 'hold'],
    ['nine of nine, which is still too early', { failed: 9, waiting: 31 }, 'hold'],
    ['5 % of a big wave', { size: 2000, confirmed: 1900, failed: 60, silent: 40 }, 'abort'],
    ['one device less of it', { size: 2000, confirmed: 1901, failed: 60, silent: 39 }, 'advance'],
    ['half of a small wave that is over', { size: 2, confirmed: 1, failed: 1 }, 'abort'],
    ['one of a small wave that goes on', { size: 3, confirmed: 1, failed: 1, queued: 1 }, 'hold'],
    [
      'a wave cut short to fewer than ten',
      { size: 12, skipped: 5, confirmed: 6, failed: 1 },
      'abort',
    ],
    [
      'a wave of which most were never reached',
      { size: 12, unreached: 7, confirmed: 4, failed: 1 },
      'abort',
    ],
  ])('decides on failures exactly: %s', (_what, some, decision) => {
    const open = (some as Partial<WaveCounts>).waiting ?? (some as Partial<WaveCounts>).queued ?? 0;
    const verdict = judged(measured({ complete: open === 0, counts: counts(some) }));
    expect(verdict.decision).toBe(decision);
  });

  it('tells the numbers', () => {
    const verdict = judged(measured({ counts: counts({ confirmed: 37, failed: 2, silent: 1 }) }));
    expect(textsOf(verdict)).toEqual([
      '3 of 40 devices failed (7.5 %; 1 of them silent); 5 % is enough',
    ]);
  });

  it.each([
    ['enough', { confirmed: 32, unreached: 8 }, 'advance'],
    ['one too few', { confirmed: 31, unreached: 9 }, 'hold'],
    [
      'enough of those that were not left out',
      { confirmed: 8, unreached: 2, skipped: 30 },
      'advance',
    ],
    ['nobody', { unreached: 40 }, 'hold'],
    ['nobody, for all were left out', { skipped: 40 }, 'hold'],
  ])('holds a complete wave of which too few devices were reached: %s', (_what, some, decision) => {
    expect(judged(measured({ counts: counts(some) }))).toMatchObject({ decision, dispatch: false });
  });

  it('holds on what a rule of the YAML holds on, with its words and the values', () => {
    const verdict = judged(measured({ alarms: ['iot-runbooks/x/pump-1'] }), {
      rules: [rule('size(alarms) > 0', 'hold', 'alarm')],
    });
    expect(verdict).toMatchObject({ decision: 'hold', dispatch: false });
    expect(verdict.reasons).toEqual([
      { rule: 'alarm', text: 'it looks bad (alarms is iot-runbooks/x/pump-1)' },
    ]);
  });

  it('tells of all that aborts, and then of nothing that holds', () => {
    const verdict = judged(
      measured({ counts: counts({ confirmed: 30, failed: 10 }), alarms: null }),
      {
        rules: [rule('devices.failed > 1', 'hold', 'h'), rule('devices.failed > 2', 'abort', 'a')],
      },
    );
    expect(rulesOf(verdict)).toEqual(['failures', 'a']);
  });
});

describe('a gate without data', () => {
  const blind = measured({ updated: null, missing: { updated: 'Rate exceeded' } });

  it('holds, says which and why, and remembers since when', () => {
    const verdict = judged(blind);
    expect(verdict).toMatchObject({ decision: 'hold', dispatch: false, noDataSince: NOW });
    expect(textsOf(verdict)).toEqual(['no data of the health of updated devices (Rate exceeded)']);
  });

  it.each([
    [15 * MINUTE - 1, 'hold'],
    [15 * MINUTE, 'abort'],
  ])('aborts once that lasts too long: %d ms', (passed, decision) => {
    const verdict = judged(blind, { noDataSince: NOW, now: NOW + passed });
    expect(verdict).toMatchObject({ decision, noDataSince: NOW });
  });

  it('begins to count anew once the data was there', () => {
    expect(judged(measured(), { noDataSince: NOW - MINUTE })).toMatchObject({
      decision: 'advance',
      noDataSince: null,
    });
  });

  it('does not wait for metrics of a release that no device runs yet', () => {
    const early = measured({
      wave: 1,
      complete: false,
      counts: counts({ waiting: 40 }),
      metrics: { errors: null },
    });
    const rules = [
      rule('metrics.errors > 5'),
      rule('percent(devices.failed, devices.executed) > 5', 'abort', 'share'),
    ];
    const metrics = [metric('errors')];
    expect(judged(early, { rules, metrics })).toMatchObject({ decision: 'hold', dispatch: true });
    const later = { ...early, counts: counts({ confirmed: 1, waiting: 39 }) };
    expect(judged(later, { rules, metrics })).toMatchObject({ decision: 'hold', dispatch: false });
  });
});

describe('bugs that other gates have had', () => {
  it('argo-rollouts #4479: every measurement failed or errored, and it counted as success', () => {
    const nothing = measured({
      updated: null,
      control: null,
      alarms: null,
      metrics: { a: null, b: null },
    });
    const metrics = [metric('a'), metric('b')];
    const rules = [rule('metrics.a > 1'), rule('cohort.significant')];
    let noDataSince: number | null = null;
    for (let minute = 0; minute < 15; minute += 1) {
      const verdict = judged(nothing, { rules, metrics, noDataSince, now: NOW + minute * MINUTE });
      expect(verdict).toMatchObject({ decision: 'hold', dispatch: false });
      noDataSince = verdict.noDataSince;
    }
    const last = judged(nothing, { rules, metrics, noDataSince, now: NOW + 15 * MINUTE });
    expect(last.decision).toBe('abort');
    expect(textsOf(last)).toContain('no data of the metric a for 15 minutes');
  });

  it('argo-rollouts #1466: an empty result crashed the analysis', () => {
    const verdict = judged(measured({ metrics: {} }), {
      metrics: [metric('errors')],
      rules: [rule('metrics.errors > 5')],
    });
    expect(verdict.decision).toBe('hold');
    expect(textsOf(verdict)).toEqual(['no data of the metric errors', 'no data of metrics.errors']);
  });

  it('argo-rollouts #1905: without traffic the release was judged all the same', () => {
    const idle = measured({ metrics: { errors: 0, requests: 0 } });
    const verdict = judged(idle, {
      metrics: [metric('errors'), metric('requests')],
      rules: [rule('percent(metrics.errors, metrics.requests) >= 5')],
    });
    expect(verdict).toMatchObject({ decision: 'hold', noDataSince: NOW });
    expect(textsOf(verdict)).toEqual([
      'it asks for a share of nothing (metrics.errors is 0, metrics.requests is 0)',
    ]);
  });

  it('argo-rollouts #3503: an empty result was told as an error, and failed the release', () => {
    const asked = { metrics: [metric('errors')], rules: [rule('metrics.errors > 5')] };
    const empty = judged(measured({ metrics: { errors: null } }), asked);
    expect(empty.decision).toBe('hold');
    expect(textsOf(empty)).toContain('no data of the metric errors');
    const missing = { metrics: 'Rate exceeded' };
    const failed = judged(measured({ metrics: {}, missing }), asked);
    expect(failed.decision).toBe('hold');
    expect(textsOf(failed)).toContain('no data of the metric errors (Rate exceeded)');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'argo-rollouts #180: %d, which is neither above nor below anything, was compared',
    (errors) => {
      const asked = { metrics: [metric('errors')], rules: [rule('metrics.errors >= 5')] };
      expect(judged(measured({ metrics: { errors } }), asked).decision).toBe('hold');
    },
  );

  it('argo-rollouts #1360: the analysis ended before the delayed metric ran', () => {
    const metrics = [metric('now'), metric('delayed')];
    const rules = [rule('metrics.now > 5'), rule('metrics.delayed > 5')];
    const early = judged(measured({ metrics: { now: 0, delayed: null } }), { metrics, rules });
    expect(early.decision).toBe('hold');
    const bad = judged(measured({ metrics: { now: 0, delayed: 6 } }), { metrics, rules });
    expect(bad.decision).toBe('abort');
    const good = judged(measured({ metrics: { now: 0, delayed: 0 } }), { metrics, rules });
    expect(good.decision).toBe('advance');
  });

  it('argo-rollouts #2866: a rule could only abort, not hold', () => {
    const many = measured({ updated: { devices: 45, healthy: 30, degraded: 15, unhealthy: 0 } });
    const when = 'updated.degraded > 10';
    expect(judged(many, { rules: [rule(when, 'hold')] }).decision).toBe('hold');
    expect(judged(many, { rules: [rule(when, 'abort')] }).decision).toBe('abort');
  });

  it('argo-rollouts #261: what a person had let go on was held again and again', () => {
    const blind = measured({ alarms: null, counts: counts({ confirmed: 20, unreached: 20 }) });
    const overridden = true;
    expect(judged(blind).decision).toBe('hold');
    expect(judged(blind, { overridden }).decision).toBe('advance');
    const late = { overridden, noDataSince: NOW - 60 * MINUTE };
    expect(judged(blind, late).decision).toBe('advance');
    const failing = { ...blind, counts: counts({ confirmed: 30, failed: 10 }) };
    expect(judged(failing, late).decision).toBe('abort');
    const open = { ...blind, complete: false, counts: counts({ confirmed: 20, waiting: 20 }) };
    expect(judged(open, late)).toMatchObject({ decision: 'hold', dispatch: true });
  });

  it('argo-rollouts #2929: what had been aborted started again', () => {
    const first = judged(
      measured({ complete: false, counts: counts({ confirmed: 9, failed: 1, waiting: 30 }) }),
    );
    expect(first.decision).toBe('abort');
    const aborted = first.reasons;
    const calmer = measured({ counts: counts({ size: 400, confirmed: 399, failed: 1 }) });
    expect(judged(calmer).decision).toBe('advance');
    expect(judged(calmer, { aborted })).toMatchObject({ decision: 'abort', reasons: aborted });
    expect(judged(calmer, { aborted, overridden: true }).decision).toBe('abort');
  });

  it('hawkbit PR#3110: no condition matched, and the next group started', () => {
    const open = measured({ complete: false, counts: counts({ confirmed: 39, queued: 1 }) });
    expect(judged(open, { rules: [] }).decision).toBe('hold');
    expect(judged(open, { rules: [rule('devices.failed > 100')] }).decision).toBe('hold');
    const closed = measured({ complete: false, counts: counts({ confirmed: 40 }) });
    expect(judged(closed).decision).toBe('hold');
  });

  it.each([true, false])(
    'hawkbit PR#2867: an installation counted as health (complete: %s)',
    (complete) => {
      const verdict = judged(
        measured({ complete, counts: counts({ confirmed: 39, succeeded: 1 }) }),
      );
      expect(verdict).toMatchObject({ decision: 'hold', dispatch: true });
      expect(textsOf(verdict)).toEqual([
        'of 40 devices: 1 have installed it and not confirmed their health yet',
      ]);
    },
  );

  it('hawkbit PR#2161: two failures at once, or one while judging, let it go on', () => {
    const failing = measured({
      wave: 1,
      counts: counts({ size: 5, failed: 5 }),
      updated: { devices: 5, healthy: 0, degraded: 0, unhealthy: 5 },
    });
    const rules = [
      rule('updated.unhealthy > 0', 'abort', 'one'),
      rule('devices.failed > 0', 'abort', 'two'),
    ];
    expect(rulesOf(judged(failing, { rules }))).toEqual(['firstWave', 'one', 'two']);
    const broken = judged(measured(), {
      rules: [rule('nonsense >', 'abort', 'broken'), rule('nobody > 1')],
    });
    expect(broken).toMatchObject({ decision: 'hold', dispatch: false });
    expect(textsOf(broken)).toEqual([
      expect.stringMatching(/^the rule can’t be judged: broken: Unexpected token/),
      'the rule can’t be judged: ours: Unknown variable: nobody',
    ]);
  });

  it('hawkbit #693: a device that fell silent was on its way for ever', () => {
    const silent = counts({ size: 10, confirmed: 9, silent: 1 });
    expect(judged(measured({ counts: silent })).decision).toBe('abort');
    const unreached = counts({ size: 10, confirmed: 9, unreached: 1 });
    expect(judged(measured({ counts: unreached })).decision).toBe('advance');
  });

  it('nerves_hub #3054: a slot was free before the device was validated', () => {
    const last = counts({ size: 5, confirmed: 4, succeeded: 1 });
    expect(judged(measured({ counts: last })).decision).toBe('hold');
    expect(judged(measured({ counts: { ...last, confirmed: 5, succeeded: 0 } })).decision).toBe(
      'advance',
    );
    expect(judged(measured({ counts: { ...last, silent: 1, succeeded: 0 } })).decision).toBe(
      'abort',
    );
  });
});
