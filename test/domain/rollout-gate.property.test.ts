import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
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

describe('whatever is measured, the gate', () => {
  const few = fc.nat({ max: 30 });
  const anyCounts = fc
    .record({
      waiting: few,
      queued: few,
      inProgress: few,
      succeeded: few,
      confirmed: few,
      failed: few,
      silent: few,
      unreached: few,
      skipped: few,
    })
    .map((some): WaveCounts => ({ ...some, size: Object.values(some).reduce((a, b) => a + b, 0) }));
  const ended = anyCounts.map((some): WaveCounts => {
    const { waiting, queued, inProgress, succeeded, size } = some;
    const open = waiting + queued + inProgress + succeeded;
    return { ...some, waiting: 0, queued: 0, inProgress: 0, succeeded: 0, size: size - open };
  });
  const good = few.map((n): WaveCounts => counts({ size: n + 1, confirmed: n + 1 }));
  const health = fc.record({ healthy: few, degraded: few, unhealthy: few }).map((some) => ({
    ...some,
    devices: some.healthy + some.degraded + some.unhealthy,
  }));
  const anyMeasured = fc
    .record({
      wave: fc.integer({ min: 1, max: 4 }),
      complete: fc.boolean(),
      counts: fc.oneof(anyCounts, ended, good),
      updated: fc.option(health),
      control: fc.option(health),
      alarms: fc.option(fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 })),
      metrics: fc.record({ errors: fc.option(fc.double()) }),
    })
    .map((some) => measured(some));
  const metrics = [metric('errors')];
  const anyRules = fc.subarray([
    rule('devices.failed > 3', 'abort', 'a'),
    rule('updated.unhealthyPercent >= 5', 'abort', 'b'),
    rule('cohort.significant && cohort.worseBy > 5', 'abort', 'c'),
    rule('size(alarms) > 0', 'hold', 'd'),
    rule('metrics.errors > 5', 'abort', 'e'),
    rule('percent(metrics.errors, metrics.errors) > 5', 'hold', 'f'),
    rule('nonsense', 'abort', 'g'),
  ]);
  const since = fc.option(fc.integer({ min: NOW - 20 * MINUTE, max: NOW }));

  it('never advances while the wave is incomplete', () => {
    fc.assert(
      fc.property(anyMeasured, anyRules, fc.boolean(), (measurement, rules, overridden) => {
        const { waiting, queued, inProgress, succeeded } = measurement.counts;
        const open = !measurement.complete || waiting + queued + inProgress + succeeded > 0;
        const { decision } = judged(measurement, { rules, metrics, overridden });
        expect(open && decision === 'advance').toBe(false);
      }),
    );
  });

  it('never advances on missing data', () => {
    let advanced = 0;
    fc.assert(
      fc.property(anyMeasured, anyRules, since, (measurement, rules, noDataSince) => {
        const { updated, control, alarms } = measurement;
        const { decision } = judged(measurement, { rules, metrics, noDataSince });
        if (decision !== 'advance') return;
        advanced += 1;
        expect([updated, control, alarms]).not.toContain(null);
        expect(Number.isFinite(measurement.metrics['errors'])).toBe(true);
      }),
      { numRuns: 1_000 },
    );
    expect(advanced).toBeGreaterThan(0);
  });

  it('never turns an abort into anything else for one more failure', () => {
    const worse = fc.constantFrom('failed', 'silent');
    const from = fc.constantFrom('waiting', 'inProgress', 'succeeded', 'confirmed', 'unreached');
    let aborts = 0;
    fc.assert(
      fc.property(anyMeasured, anyRules, worse, from, (measurement, rules, to, was) => {
        fc.pre(measurement.counts[was] > 0);
        if (judged(measurement, { rules, metrics }).decision !== 'abort') return;
        aborts += 1;
        const more = {
          ...measurement.counts,
          [was]: measurement.counts[was] - 1,
          [to]: measurement.counts[to] + 1,
        };
        const then = judged({ ...measurement, counts: more }, { rules, metrics });
        expect(then.decision).toBe('abort');
      }),
      { numRuns: 500 },
    );
    expect(aborts).toBeGreaterThan(0);
  });

  it('decides alike in whatever order the rules stand', () => {
    fc.assert(
      fc.property(anyMeasured, anyRules, since, (measurement, rules, noDataSince) => {
        const forth = judged(measurement, { rules, metrics, noDataSince });
        const back = judged(measurement, { rules: [...rules].reverse(), metrics, noDataSince });
        expect(back.decision).toBe(forth.decision);
        expect(rulesOf(back).sort()).toEqual(rulesOf(forth).sort());
      }),
    );
  });

  it('gives a reason for all but an advance, and lets nothing be asked where it aborts', () => {
    fc.assert(
      fc.property(anyMeasured, anyRules, since, (measurement, rules, noDataSince) => {
        const verdict = judged(measurement, { rules, metrics, noDataSince });
        expect(verdict.reasons.length > 0).toBe(verdict.decision !== 'advance');
        expect(verdict.dispatch && rulesOf(verdict).some((name) => name !== 'incomplete')).toBe(
          false,
        );
      }),
    );
  });

  it('is exact at the share of failures that is enough', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 1_000_000 }), fc.nat(), (size, some) => {
        const failed = some % (size + 1);
        const wave = measured({ counts: counts({ size, failed, confirmed: size - failed }) });
        const aborts = failed > 0 && BigInt(failed) * 20n >= BigInt(size);
        expect(judged(wave).decision === 'abort').toBe(aborts);
      }),
    );
  });
});
