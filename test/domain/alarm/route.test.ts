import { describe, expect, it } from '@jest/globals';

import { matchesGlob, routeAlarm } from '../../../domain/alarm/route';
import type { Alarm } from '../../../domain/alarm/types';
import type { QuarantineRunbook, RouteRule } from '../../../domain/runbook';

const ALARM: Alarm = {
  source: 'cloudwatch',
  name: 'iot-runbooks/RefusedPublishes/pump-7',
  arn: 'arn:aws:cloudwatch:eu-west-1:000000000000:alarm:iot-runbooks/RefusedPublishes/pump-7',
  accountId: '000000000000',
  region: 'eu-west-1',
  state: 'ALARM',
  stateChangedAt: '2026-11-24T12:00:00.000Z',
  reason: 'Threshold crossed',
  dimensions: { ThingName: 'pump-7' },
};
const RULE: RouteRule = {
  alarm: 'iot-runbooks/RefusedPublishes/*',
  sources: ['cloudwatch'],
  verify: 'source',
  accounts: ['000000000000'],
  regions: ['eu-west-1'],
  subject: 'ThingName',
  severity: 'high',
};
const setting = { defaultMs: 1, minMs: 1, maxMs: 1 };
const runbook = (...routes: RouteRule[]): QuarantineRunbook => ({
  name: 'quarantine',
  routes,
  settings: {
    stepTimeout: setting,
    approveWithin: setting,
    propagation: setting,
    proveWithin: setting,
    debugLogsFor: setting,
    holdFor: setting,
    probation: setting,
  },
});
const ROUTED = { runbook: 'quarantine', thing: 'pump-7', severity: 'high' };

describe('routing an alarm', () => {
  it('gives the runbook, the thing of its dimension and the severity of the rule', () => {
    expect(routeAlarm(ALARM, [runbook(RULE)])).toEqual(ROUTED);
  });

  it('takes the first rule that matches', () => {
    const other: RouteRule = { ...RULE, severity: 'low' };
    expect(routeAlarm(ALARM, [runbook({ ...RULE, alarm: 'else/*' }, RULE, other)])).toEqual(ROUTED);
  });

  it('takes `any` account and region', () => {
    const rule: RouteRule = { ...RULE, accounts: 'any', regions: 'any' };
    expect(routeAlarm({ ...ALARM, region: 'us-east-1' }, [runbook(rule)])).toEqual(ROUTED);
  });

  it.each<[string, Partial<Alarm>]>([
    ['its state is OK', { state: 'OK' }],
    ['its state is INSUFFICIENT_DATA', { state: 'INSUFFICIENT_DATA' }],
    ['its name matches only as a prefix', { name: 'iot-runbooks/RefusedPublishes/a/b' }],
    ['its name matches only in another case', { name: 'IOT-RUNBOOKS/RefusedPublishes/pump-7' }],
    ['the star would stand for nothing', { name: 'iot-runbooks/RefusedPublishes/' }],
    ['its account is another', { accountId: '111111111111' }],
    ['its region is another', { region: 'eu-west-2' }],
    ['its source is another', { source: 'alertmanager' }],
    ['it was not read again at its source', { unverified: true }],
    ['it has no dimension', { dimensions: {} }],
    ['its dimension is another', { dimensions: { thingName: 'pump-7' } }],
    [
      'its dimension is inherited',
      { dimensions: Object.create({ ThingName: 'pump-7' }) as Record<string, string> },
    ],
    ['its thing is a wildcard', { dimensions: { ThingName: '*' } }],
    ['its thing is empty', { dimensions: { ThingName: '' } }],
    ['its thing is a path', { dimensions: { ThingName: '../pump-7' } }],
    ['its thing ends in a line break', { dimensions: { ThingName: 'pump-7\n' } }],
    ['its thing is too long', { dimensions: { ThingName: 'a'.repeat(129) } }],
  ])('starts nothing where %s, and says why', (_case, change) => {
    const answer = routeAlarm({ ...ALARM, ...change }, [runbook(RULE)]);
    expect(answer).toEqual({
      none: expect.stringMatching(/^(the (alarm|route)|dimension|no runbook) /),
    });
  });

  it('takes the word of a sender where the rule says so, and only from the sources it names', () => {
    const rule: RouteRule = {
      ...RULE,
      sources: ['webhook'],
      verify: 'sender',
      accounts: 'any',
      regions: 'any',
    };
    const told: Alarm = {
      ...ALARM,
      source: 'webhook',
      accountId: '',
      region: '',
      unverified: true,
    };
    expect(routeAlarm(told, [runbook(rule)])).toEqual(ROUTED);
    expect(routeAlarm({ ...told, source: 'alertmanager' }, [runbook(rule)])).toHaveProperty('none');
    expect(routeAlarm(told, [runbook({ ...rule, accounts: [ALARM.accountId] })])).toHaveProperty(
      'none',
    );
  });

  it('starts nothing where no rule is configured', () => {
    expect(routeAlarm(ALARM, [runbook()])).toEqual({
      none: 'no runbook has a route for this alarm',
    });
  });
});

describe('a glob', () => {
  it.each([
    ['a/*', 'a/b', true],
    ['a/*/c', 'a/b/c', true],
    ['a.b/*', 'axb/c', false],
    ['a+(b)/[c]', 'a+(b)/[c]', true],
    ['a/*', 'a/', false],
    ['a/*', 'xa/b', false],
  ])('%s on %s: %s', (pattern, text, matched) => {
    expect(matchesGlob(pattern, text)).toBe(matched);
  });

  it('matches no name beyond the length AWS allows', () => {
    expect(matchesGlob('a/*', `a/${'b'.repeat(253)}`)).toBe(true);
    expect(matchesGlob('a/*', `a/${'b'.repeat(254)}`)).toBe(false);
  });
});
