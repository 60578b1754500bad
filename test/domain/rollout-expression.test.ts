import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileRule, expressionProblem, InvalidRuleError } from '../../domain/rollout/expression';
import { factsOf, type Facts } from '../../domain/rollout/facts';
import type { Measurement } from '../../domain/rollout/types';

const METRICS = ['errors', 'requests'];
const problem = (when: string) => expressionProblem(when, METRICS);

const MEASURED: Measurement = {
  at: '2026-11-25T07:00:00.000Z',
  wave: 2,
  waves: 4,
  complete: false,
  counts: {
    size: 50,
    waiting: 10,
    queued: 0,
    inProgress: 0,
    succeeded: 0,
    confirmed: 36,
    failed: 3,
    silent: 1,
    unreached: 0,
    skipped: 0,
  },
  updated: { devices: 40, healthy: 30, degraded: 5, unhealthy: 5 },
  control: { devices: 400, healthy: 396, degraded: 0, unhealthy: 4 },
  alarms: ['iot-runbooks/RefusedPublishes/pump-7'],
  metrics: { errors: 12, requests: 300 },
};
const FACTS = factsOf(MEASURED, false);

const ask = (when: string, facts: Facts = FACTS) =>
  compileRule({ name: 'rule', when, then: 'hold', reason: 'because' }, METRICS).ask(facts);

describe('a rule of a gate', () => {
  it.each([
    'devices.failed > 3',
    'devices.failed == 3 && devices.silent != 0',
    'devices.failedPercent >= 7.5',
    'devices.failed * 2 > devices.size - 1',
    'updated.unhealthyPercent >= 5 || cohort.significant',
    'cohort.significant && cohort.worseBy >= 5',
    'cohort.offlineSignificant && cohort.offlineBy >= 10 || updated.offlinePercent > 50',
    'wave.number == 1 && updated.unhealthy > 0',
    'size(alarms) > 0',
    'alarms.exists(name, name.startsWith("iot-runbooks/Refused"))',
    '"iot-runbooks/x" in alarms',
    'percent(metrics.errors, metrics.requests) > 2',
    'wave.complete ? devices.unreached > 2 : false',
  ])('may say %s', (when) => {
    expect(problem(when)).toBeNull();
  });

  it.each([
    ['', 'Unexpected token'],
    ['devices.failed >', 'Unexpected token'],
    ['device.failed > 3', 'Unknown variable: device'],
    ['devices.fail > 3', 'No such key: fail'],
    ['metrics.latency > 3', 'No such key: latency'],
    ['devices.failed', 'is double, not true or false'],
    ['devices.failed > "3"', 'no such overload'],
    ['devices.failed / devices.size > 0.05', 'percent(part, whole) is'],
    ['has(updated.unhealthy)', 'has() is not known to gates'],
    ['updated == null', 'no such overload'],
    ['metrics["errors"] > 1', 'an index is not known to gates'],
    ['alarms[0] == "x"', 'an index is not known to gates'],
    ['alarms.exists(name, name.matches("(a+)+$"))', 'matches() is not known to gates'],
    ['dyn(devices) == 1', 'dyn() is not known to gates'],
    ['{"a": 1} == {}', 'maxMapEntries'],
    ['alarms.exists(a, alarms.exists(b, a == b))', 'exists() may not stand within another loop'],
    ['devices.constructor == 1.0', 'No such key: constructor'],
    ['__proto__ == 1', 'Reserved identifier'],
    ['x'.repeat(501), 'is longer than 500 characters'],
    [`${'('.repeat(100)}true${')'.repeat(100)}`, 'maxDepth'],
    [`${'!'.repeat(499)}a`, ''],
    [`1 in [${'1,'.repeat(30)}1]`, 'maxListElements'],
    [`1==1${'||1==1'.repeat(80)}`, 'maxAstNodes'],
  ])('may not say %j', (when, complaint) => {
    expect(problem(when)).toContain(complaint);
  });

  it('is never run to find out what is wrong with it, whatever it says', () => {
    const token = fc.constantFrom(
      ...[
        'devices',
        '.',
        'failed',
        '(',
        ')',
        '[',
        ']',
        '{',
        '}',
        '!',
        '-',
        '&&',
        '||',
        '?',
        ':',
        '"',
      ],
      ...[
        '1',
        '1.5',
        'alarms',
        'exists',
        ',',
        'x',
        'in',
        '/',
        '%',
        '<',
        '==',
        'null',
        'true',
        '\n',
        '\u0000',
      ],
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(token).map((all) => all.join('')),
        ),
        (when) => {
          const found = problem(when);
          expect(found === null || found.length > 0).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('does not compile where it has a problem', () => {
    expect(() => ask('nothing > 1')).toThrow(InvalidRuleError);
    expect(() => ask('nothing > 1')).toThrow('rule: Unknown variable: nothing');
  });

  it('tells the values that it looked at', () => {
    expect(ask('cohort.worseBy > 5 && size(alarms) > 0')).toEqual({
      answer: 'matched',
      values: 'cohort.worseBy is 11.5, alarms is iot-runbooks/RefusedPublishes/pump-7',
    });
    expect(ask('devices.failedPercent > 50')).toMatchObject({ answer: 'clear' });
  });
});

describe('a rule over data that is not there', () => {
  const without: Facts = factsOf(
    { ...MEASURED, updated: null, alarms: null, metrics: { errors: null } },
    false,
  );

  it.each([
    ['updated.unhealthy > 0', ['updated.unhealthy']],
    ['!(updated.unhealthy > 0)', ['updated.unhealthy']],
    ['cohort.significant', ['cohort.significant']],
    ['cohort.worseBy < 1 || updated.unhealthy == 0', ['cohort.worseBy', 'updated.unhealthy']],
    ['metrics.errors > 1', ['metrics.errors']],
    ['size(alarms) > 0', ['alarms']],
    ['size(alarms) == 0', ['alarms']],
    ['alarms.exists(name, name == "x")', ['alarms']],
    ['alarms.all(name, name == "x")', ['alarms']],
    ['devices.failed > 100 || updated.unhealthy > 0', ['updated.unhealthy']],
    ['updated.unhealthy > 0 || devices.failed > 100', ['updated.unhealthy']],
    ['updated.unhealthy > 0 ? false : false', ['updated.unhealthy']],
  ])('has no answer: %s', (when, missing) => {
    expect(ask(when, without)).toMatchObject({ answer: 'noData', missing });
  });

  it.each([
    ['devices.failed > 1 || updated.unhealthy > 0', 'matched'],
    ['updated.unhealthy > 0 || devices.failed > 1', 'matched'],
    ['devices.failed > 100 && updated.unhealthy > 0', 'clear'],
    ['updated.unhealthy > 0 && devices.failed > 100', 'clear'],
  ])('is answered where the answer does not depend on it: %s', (when, answer) => {
    expect(ask(when, without)).toMatchObject({ answer });
  });

  it('takes a share of nothing for no data', () => {
    const idle = factsOf({ ...MEASURED, metrics: { errors: 0, requests: 0 } }, false);
    const rate = 'percent(metrics.errors, metrics.requests) > 2';
    expect(ask(rate)).toMatchObject({ answer: 'matched' });
    expect(ask(rate, idle)).toEqual({
      answer: 'noData',
      missing: ['metrics.errors', 'metrics.requests'],
      why: 'it asks for a share of nothing (metrics.errors is 0, metrics.requests is 0)',
    });
    expect(ask(`devices.failed > 1 || ${rate}`, idle)).toMatchObject({ answer: 'matched' });
    expect(ask(`${rate} || devices.failed > 1`, idle)).toMatchObject({ answer: 'matched' });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('takes a metric of %d for no data', (errors) => {
    const odd = factsOf({ ...MEASURED, metrics: { errors, requests: 1 } }, false);
    expect(ask('metrics.errors > 1', odd)).toMatchObject({ answer: 'noData' });
  });
});
