import { describe, expect, it } from '@jest/globals';

import { resolveQuarantine } from '../../../domain/quarantine/input.schema';
import type { QuarantineRunbook } from '../../../domain/runbook';

const setting = { defaultMs: 600_000, minMs: 1_000, maxMs: 3_600_000 };
const RUNBOOK: QuarantineRunbook = {
  name: 'quarantine',
  routes: [],
  settings: {
    stepTimeout: setting,
    approveWithin: setting,
    propagation: setting,
    proveWithin: setting,
    debugLogsFor: setting,
    holdFor: setting,
    probation: setting,
  },
};
const ID = 'quarantine/pump-7';
const INPUT = { thing: 'pump-7', reason: 'floods a topic' };
const ALARM = {
  source: 'cloudwatch',
  name: 'iot-runbooks/RefusedPublishes/pump-7',
  arn: 'arn:aws:cloudwatch:eu-west-1:000000000000:alarm:x',
  accountId: '000000000000',
  region: 'eu-west-1',
  state: 'ALARM',
  stateChangedAt: '2026-11-24T12:00:00.000Z',
  reason: 'Threshold crossed',
  dimensions: { ThingName: 'pump-7' },
};
const resolve = (input: unknown, id = ID) => resolveQuarantine(input, id, RUNBOOK);

function fieldsOf(input: unknown, id = ID): string[] {
  const answer = resolve(input, id);
  return answer.ok ? [] : answer.issues.map(({ field }) => field);
}

describe('a quarantine input', () => {
  it('with only a thing and a reason takes the defaults of the runbook', () => {
    expect(resolve(INPUT)).toEqual({
      ok: true,
      plan: {
        ...INPUT,
        requestedBy: 'not stated',
        severity: 'high',
        dryRun: false,
        adopt: false,
        stepTimeoutMs: 600_000,
        approveWithinMs: 600_000,
        propagationMs: 600_000,
        proveWithinMs: 600_000,
        debugLogsForMs: 600_000,
        holdForMs: 600_000,
        probationMs: 600_000,
      },
    });
  });

  it('overrides setting by setting, up to the very limits', () => {
    const settings = { holdFor: '1 hour', probation: '1 second' };
    expect(resolve({ ...INPUT, severity: 'low', dryRun: true, settings })).toMatchObject({
      ok: true,
      plan: {
        severity: 'low',
        dryRun: true,
        holdForMs: 3_600_000,
        probationMs: 1_000,
        proveWithinMs: 600_000,
      },
    });
  });

  it('that comes from an alarm says so', () => {
    expect(resolve({ ...INPUT, alarm: ALARM })).toMatchObject({
      ok: true,
      plan: { requestedBy: `alarm ${ALARM.name}` },
    });
  });

  it.each<[string, unknown, string[]]>([
    ['nothing', undefined, ['input']],
    ['null', null, ['input']],
    ['a number', 7, ['input']],
    ['a string', '{"thing":"pump-7"}', ['input']],
    ['a list', [INPUT], ['input']],
    ['an empty object', {}, ['thing', 'reason']],
    ['an extra field', { ...INPUT, force: true }, ['force']],
    ['two extra fields', { ...INPUT, force: true, Thing: 'x' }, ['force', 'Thing']],
    ['a thing of the wrong type', { ...INPUT, thing: 7 }, ['thing']],
    ['several things', { ...INPUT, thing: ['pump-7'] }, ['thing']],
    ['a wildcard', { ...INPUT, thing: '*' }, ['thing']],
    ['an empty thing', { ...INPUT, thing: '' }, ['thing']],
    ['a thing with a slash', { ...INPUT, thing: 'a/b' }, ['thing']],
    ['a thing with a colon', { ...INPUT, thing: 'a:b' }, ['thing']],
    ['a thing with a line break', { ...INPUT, thing: 'pump-7\n' }, ['thing']],
    ['a thing of 129 letters', { ...INPUT, thing: 'a'.repeat(129) }, ['thing']],
    ['a thing of a million letters', { ...INPUT, thing: 'a'.repeat(1_000_000) }, ['thing']],
    ['an empty reason', { ...INPUT, reason: '' }, ['reason']],
    ['a blank reason', { ...INPUT, reason: ' \n' }, ['reason']],
    ['a huge reason', { ...INPUT, reason: 'x'.repeat(1_000_000) }, ['reason']],
    ['a null severity', { ...INPUT, severity: null }, ['severity']],
    ['an unknown severity', { ...INPUT, severity: 'HIGH' }, ['severity']],
    ['a dry run in words', { ...INPUT, dryRun: 'true' }, ['dryRun']],
    ['an adopt of 1', { ...INPUT, adopt: 1 }, ['adopt']],
    ['settings as a list', { ...INPUT, settings: [] }, ['settings']],
    ['an unknown setting', { ...INPUT, settings: { hold: '1 hour' } }, ['settings.hold']],
    ['a duration in numbers', { ...INPUT, settings: { holdFor: 60 } }, ['settings.holdFor']],
    [
      'a duration below its limit',
      { ...INPUT, settings: { holdFor: '0 seconds' } },
      ['settings.holdFor'],
    ],
    [
      'a duration above its limit',
      { ...INPUT, settings: { holdFor: '61 minutes' } },
      ['settings.holdFor'],
    ],
    [
      'two bad durations',
      { ...INPUT, settings: { holdFor: 'soon', probation: '1 year' } },
      ['settings.probation', 'settings.holdFor'],
    ],
    ['an incomplete alarm', { ...INPUT, alarm: { ...ALARM, arn: undefined } }, ['alarm.arn']],
    ['an extra field in the alarm', { ...INPUT, alarm: { ...ALARM, x: 1 } }, ['alarm.x']],
    [
      'everything wrong',
      { thing: '', reason: 1, dryRun: 2, x: 3 },
      ['thing', 'reason', 'dryRun', 'x'],
    ],
  ])('that is %s is refused by the names of its fields', (_case, input, fields) => {
    expect(fieldsOf(input).sort()).toEqual([...fields].sort());
  });

  it.each(['__proto__', 'constructor', 'prototype', 'toString'])(
    'that carries the key %s is refused by it',
    (key) => {
      const input: unknown = JSON.parse(`{"thing":"pump-7","reason":"x","${key}":{"dryRun":true}}`);
      expect(fieldsOf(input)).toEqual([key]);
      expect(({} as { dryRun?: boolean }).dryRun).toBeUndefined();
    },
  );

  it('with thousands of wrong fields names a bounded number of them, each clipped', () => {
    const flood = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, index) => [`${index}${'k'.repeat(10_000)}`, index]),
    );
    const answer = resolve({ ...INPUT, ...flood });
    expect(answer.ok).toBe(false);
    expect(JSON.stringify(answer).length).toBeLessThan(10_000);
  });

  it.each(['quarantine/pump-8', 'pump-7', 'quarantine/PUMP-7', 'quarantine/pump-7 ', ''])(
    'under the workflow id %j is refused, and told the right one',
    (id) => {
      expect(resolve(INPUT, id)).toEqual({
        ok: false,
        issues: [{ field: 'workflowId', problem: expect.stringContaining('`quarantine/pump-7`') }],
      });
    },
  );

  it('names a wrong workflow id beside the other faults', () => {
    expect(fieldsOf({ ...INPUT, reason: '' }, 'x')).toEqual(['reason', 'workflowId']);
  });
});
