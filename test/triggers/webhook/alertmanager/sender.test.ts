import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { RouteRule } from '../../../../domain/runbook';
import {
  ALERT_STARTED,
  alert,
  alertGroup,
  alertLabels,
  alertmanagerHeaders,
  CREDENTIALS,
  type Headers,
} from '../../../support/senders';
import { startTestSns, type TestSns } from '../../../support/sns';
import { createTestWebhook, type TestWebhook } from '../harness';

let sns: TestSns;
let webhook: TestWebhook;
beforeAll(async () => {
  sns = await startTestSns();
});
afterAll(() => sns.close());
beforeEach(async () => {
  webhook = await createTestWebhook(sns);
});
afterEach(() => webhook.app.close());

const post = (group: unknown, headers: Headers = alertmanagerHeaders()) =>
  webhook.send('/alarms/alertmanager', JSON.stringify(group), headers);
const firing = (...things: string[]) => {
  webhook.alertmanager.firing = () =>
    Promise.resolve(
      things.map((thing) => ({
        labels: alertLabels(thing),
        startsAt: '2026-11-24T12:00:00.123Z',
      })),
    );
};
const things = () => webhook.started.map(({ route }) => route.thing);

describe('a group of alerts', () => {
  it('starts one intake for each that fires, with labels as dimensions', async () => {
    firing('pump-7', 'pump-8');
    expect(await post(alertGroup([alert('pump-7'), alert('pump-8')]))).toMatchObject({
      status: 200,
      body: { code: 'batch', counts: { started: 2 } },
    });
    expect(things().sort()).toEqual(['pump-7', 'pump-8']);
    expect(webhook.started[0]).toEqual({
      alarm: {
        source: 'alertmanager',
        name: 'IotRunbooksRefusedPublishes',
        arn: expect.stringMatching(/^alertmanager:[0-9a-f]{64}$/),
        accountId: '',
        region: '',
        state: 'ALARM',
        stateChangedAt: '2026-11-24T12:00:00.123Z',
        reason: 'pump-7 is refused',
        dimensions: { ThingName: 'pump-7' },
      },
      route: { runbook: 'quarantine', thing: 'pump-7', severity: 'high' },
    });
  });

  it('sent again is the same alarm events, also by another Alertmanager of the cluster', async () => {
    const labels = alertLabels('pump-7');
    const reordered = Object.fromEntries(Object.entries(labels).reverse());
    await post(alertGroup([alert('pump-7')]));
    await post(alertGroup([alert('pump-7', { labels: reordered, fingerprint: 'other' })]));
    const [first, second] = webhook.started.map(({ alarm }) => alarm);
    expect(second).toEqual(first);
  });

  it('asks Alertmanager once, by the labels that all have in common', async () => {
    const asked: object[] = [];
    webhook.alertmanager.firing = (common) => {
      asked.push(common);
      return Promise.resolve([]);
    };
    await post(alertGroup(Array.from({ length: 40 }, (_, index) => alert(`pump-${index}`))));
    expect(asked).toEqual([{ alertname: 'IotRunbooksRefusedPublishes' }]);
  });

  it('counts each alert by how it ended', async () => {
    const group = alertGroup([
      alert('pump-7'),
      alert('pump-8', { status: 'resolved', endsAt: '2026-11-24T12:30:00Z' }),
      alert('pump-9'),
      alert('*'),
      alert('x', { labels: { alertname: 'Watchdog' } }),
      alert('x', { labels: { thing: 'pump-7' } }),
    ]);
    expect(await post(group)).toMatchObject({
      status: 200,
      body: { code: 'batch', counts: { started: 1, notInAlarm: 2, noRoute: 2, notAnAlarm: 1 } },
    });
    expect(things()).toEqual(['pump-7']);
  });

  it.each([
    ['Temporal', 'temporalUnreachable'],
    ['Alertmanager', 'alertmanagerUnreachable'],
  ])('is asked for again while %s is unreachable', async (part, code) => {
    firing('pump-7', 'pump-8');
    if (part === 'Temporal') webhook.intake.answer = () => Promise.reject(new Error('down'));
    else webhook.alertmanager.firing = () => Promise.reject(new Error('down'));
    const group = alertGroup([alert('pump-7'), alert('x', { labels: { alertname: 'Watchdog' } })]);
    expect(await post(group)).toEqual({
      status: 503,
      body: { code, counts: { [code]: 1, noRoute: 1 } },
      retryAfter: '20',
    });
  });

  it('is not read again where no alert of it has a route', async () => {
    webhook.alertmanager.firing = () => Promise.reject(new Error('down'));
    const watchdog = alert('x', { labels: { alertname: 'Watchdog' } });
    expect(await post(alertGroup([watchdog]))).toMatchObject({ body: { counts: { noRoute: 1 } } });
  });

  it.each<[string, unknown]>([
    ['of another version', alertGroup([alert('pump-7')], { version: '3' })],
    ['without alerts', alertGroup([])],
    [
      'with too many',
      alertGroup(Array(2_001).fill({ status: 'firing', labels: {}, startsAt: ALERT_STARTED })),
    ],
    ['with a label that is a number', alertGroup([alert('a', { labels: { alertname: 7 } })])],
    ['with labels in a list', alertGroup([alert('a', { labels: ['a'] })])],
    ['with an odd time', alertGroup([alert('a', { startsAt: 'now' })])],
    [
      'with a time past the years',
      alertGroup([alert('a', { startsAt: '9999-12-31T23:59:59-23:59' })]),
    ],
    ['with an odd status', alertGroup([alert('a', { status: 'pending' })])],
    ['that is null', null],
  ])('%s is refused whole', async (_case, group) => {
    expect(await post(group)).toMatchObject({ status: 422, body: { code: 'notAnAlarm' } });
    expect(webhook.started).toEqual([]);
  });
});

describe('a caller without the token', () => {
  const [token] = CREDENTIALS.tokens;
  it.each<[string, Headers]>([
    ['none', { 'content-type': 'application/json' }],
    ['another', alertmanagerHeaders('t3-0123456789abcdefghijklmnopqrstuv')],
    ['another scheme', { ...alertmanagerHeaders(), authorization: `Basic ${token}` }],
    ['no scheme', { ...alertmanagerHeaders(), authorization: token }],
    ['two at once', { ...alertmanagerHeaders(), authorization: `Bearer ${token} ${token}` }],
  ])('is refused: %s', async (_case, headers) => {
    expect(await post(alertGroup([alert('pump-7')]), headers)).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    });
  });

  it.each(CREDENTIALS.tokens)('is none who has either of two: %s', async (each) => {
    const answer = await post(alertGroup([alert('pump-7')]), alertmanagerHeaders(each));
    expect(answer.status).toBe(200);
  });
});

describe('without an address of Alertmanager', () => {
  const toldIsEnough: RouteRule = {
    alarm: 'IotRunbooksRefused*',
    sources: ['alertmanager'],
    verify: 'sender',
    accounts: 'any',
    regions: 'any',
    subject: 'ThingName',
    severity: 'low',
  };

  async function postTo(routes: RouteRule[]) {
    await webhook.app.close();
    webhook = await createTestWebhook(sns, { withoutAlertmanager: true, routes });
    return post(alertGroup([alert('pump-7')]));
  }

  it('an alert starts nothing on a route that wants it read again', async () => {
    expect(await postTo([])).toMatchObject({ status: 200, body: { counts: { noRoute: 1 } } });
    expect(webhook.started).toEqual([]);
  });

  it('an alert is taken by a route that says so, and said to be unverified', async () => {
    expect(await postTo([toldIsEnough])).toMatchObject({ body: { counts: { started: 1 } } });
    expect(webhook.started).toMatchObject([
      { alarm: { unverified: true }, route: { thing: 'pump-7', severity: 'low' } },
    ]);
  });
});
