import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { checkGate, gateFields } from '../../domain/rollout/gate.schema';
import { loadRunbook } from '../../runbooks/load';

const schema = z.strictObject(gateFields).superRefine(checkGate);

const RULE = {
  name: 'errors',
  when: 'metrics.errors > 5',
  then: 'abort',
  reason: 'Pumps report errors.',
};
const METRIC = {
  name: 'errors',
  namespace: 'Pumps',
  metric: 'Errors',
  statistic: 'Sum',
  periodSeconds: 60,
  within: '10 minutes',
};

const complaints = (given: object): string[] => {
  const parsed = schema.safeParse({ gate: [RULE], metrics: [METRIC], ...given });
  return (parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
};

describe('the gate of a runbook', () => {
  it('is read with durations in milliseconds and no dimensions unless there are some', () => {
    const { within, ...query } = METRIC;
    expect(within).toBe('10 minutes');
    expect(schema.parse({ gate: [RULE], metrics: [METRIC] })).toEqual({
      gate: [RULE],
      metrics: [{ ...query, dimensions: {}, withinMs: 600_000 }],
    });
  });

  it('may have no rules and no metrics', () => {
    expect(complaints({ gate: [], metrics: [] })).toEqual([]);
  });

  it.each([
    ['an unknown variable', { when: 'metric.errors > 5' }, 'gate.0.when: Unknown variable: metric'],
    [
      'a metric that is not queried',
      { when: 'metrics.delay > 5' },
      'gate.0.when: No such key: delay',
    ],
    ['no yes or no', { when: 'metrics.errors' }, 'gate.0.when: is double, not true or false'],
    ['nothing', { when: '' }, 'gate.0.when: Unexpected token: EOF'],
    ['an advance', { then: 'advance' }, 'gate.0.then: must be abort or hold'],
  ])('is refused where a rule says %s', (_what, change, complaint) => {
    expect(complaints({ gate: [{ ...RULE, ...change }] })).toEqual([complaint]);
  });

  it.each([
    ['its name can’t stand in a rule', { name: 'error-rate' }, 'metrics.0.name: must be up to 32'],
    ['it has no end', { within: 'a while' }, 'metrics.0.within: must be a duration such as'],
    ['its end is too near', { within: '30 seconds' }, 'metrics.0.within: must not be shorter'],
    ['its period is odd', { periodSeconds: 90 }, 'metrics.0.periodSeconds: must be whole minutes'],
    ['it has a statistic of its own', { statistic: 'p99' }, 'metrics.0.statistic: must be one of'],
  ])('is refused where of a metric %s', (_what, change, complaint) => {
    expect(complaints({ gate: [], metrics: [{ ...METRIC, ...change }] })).toEqual([
      expect.stringContaining(complaint),
    ]);
  });

  it('is refused where a name stands twice', () => {
    expect(complaints({ gate: [RULE, RULE], metrics: [METRIC, METRIC] })).toEqual([
      'metrics.1.name: errors stands twice',
      'gate.1.name: errors stands twice',
    ]);
  });

  it('is checked with the YAML that is shipped', () => {
    const shipped = resolve(__dirname, '../../runbooks');
    expect(loadRunbook(shipped, 'stagedOta').gate.length).toBeGreaterThan(0);
    const folder = mkdtempSync(join(tmpdir(), 'gate-'));
    try {
      const yaml = readFileSync(join(shipped, 'stagedOta.yaml'), 'utf8');
      const misspelt = yaml.replace('when: cohort.significant', 'when: cohort.signifcant');
      expect(misspelt).not.toBe(yaml);
      writeFileSync(join(folder, 'stagedOta.yaml'), misspelt);
      expect(() => loadRunbook(folder, 'stagedOta')).toThrow(/gate.*when: No such key: signifcant/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
