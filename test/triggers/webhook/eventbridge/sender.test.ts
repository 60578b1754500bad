import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { alarmIntakeId } from '../../../../domain/alarm/intake-id';
import {
  alarmEvent,
  CREDENTIALS,
  eventBridgeHeaders,
  type Headers,
} from '../../../support/senders';
import { alarmMessage, startTestSns, type TestSns } from '../../../support/sns';
import { alarmOf, createTestWebhook, type TestWebhook } from '../harness';

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

const post = (event: unknown, headers: Headers = eventBridgeHeaders()) =>
  webhook.send('/alarms/eventbridge', JSON.stringify(event), headers);
const detail = (changes: Record<string, unknown>): Record<string, unknown> => ({
  ...(alarmEvent('pump-7')['detail'] as object),
  ...changes,
});

describe('an event of an alarm', () => {
  it('starts the intake of its thing with what CloudWatch says', async () => {
    expect(await post(alarmEvent('pump-7'))).toMatchObject({
      status: 200,
      body: { code: 'started' },
    });
    expect(webhook.started).toEqual([
      {
        alarm: alarmOf('pump-7'),
        route: { runbook: 'quarantine', thing: 'pump-7', severity: 'high' },
      },
    ]);
  });

  it('is the same alarm event as what SNS tells of it, whatever time either claims', async () => {
    const later = { timestamp: '2026-11-24T12:00:09.000+0000' };
    await post(alarmEvent('pump-7', {}, later));
    await webhook.post(sns.notification({ Message: JSON.stringify(alarmMessage('pump-7')) }));
    const ids = webhook.started.map(({ alarm }) => alarmIntakeId(alarm));
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  it.each(CREDENTIALS.apiKeys)(
    'is taken with either key while one replaces the other: %s',
    async (key) => {
      expect(await post(alarmEvent('pump-7'), eventBridgeHeaders(key))).toMatchObject({
        status: 200,
      });
    },
  );

  it('delivered again starts nothing again; but where it could not be taken, it is', async () => {
    const event = alarmEvent('pump-7');
    const { answer } = webhook.intake;
    webhook.intake.answer = () => Promise.reject(new Error('down'));
    expect(await post(event)).toEqual({
      status: 503,
      body: { code: 'temporalUnreachable' },
      retryAfter: '20',
    });
    webhook.intake.answer = answer;
    expect(await post(event)).toMatchObject({ body: { code: 'started' } });
    expect(await post(event)).toMatchObject({ status: 200, body: { code: 'replayed' } });
    expect(webhook.started).toHaveLength(1);
  });

  it('is asked for again while CloudWatch is unreachable', async () => {
    webhook.source.readAlarm = () => Promise.reject(new Error('down'));
    expect(await post(alarmEvent('pump-7'))).toMatchObject({
      status: 503,
      body: { code: 'awsUnreachable' },
    });
  });

  it.each<[string, Record<string, unknown>, number, string]>([
    ['has gone to OK', alarmEvent('pump-7', {}, { value: 'OK' }), 200, 'notInAlarm'],
    [
      'has a name without a route',
      alarmEvent('x', { detail: detail({ alarmName: 'CPU' }) }),
      200,
      'noRoute',
    ],
    [
      'has no metrics, as a composite one',
      alarmEvent('x', { detail: detail({ configuration: {} }) }),
      200,
      'noRoute',
    ],
    [
      'is of a region that is not allowed',
      alarmEvent('pump-7', { region: 'us-east-1' }),
      403,
      'regionNotAllowed',
    ],
    ['watches another thing at CloudWatch', alarmEvent('pump-8'), 422, 'alarmDiffers'],
    [
      'has another ARN at CloudWatch',
      alarmEvent('pump-7', { resources: ['arn:x'] }),
      422,
      'alarmDiffers',
    ],
  ])('that %s starts nothing', async (_case, event, status, code) => {
    expect(await post(event)).toMatchObject({ status, body: { code } });
    expect(webhook.started).toEqual([]);
  });

  it('of an alarm that CloudWatch does not have starts nothing', async () => {
    webhook.source.readAlarm = () => Promise.resolve(null);
    expect(await post(alarmEvent('pump-7'))).toMatchObject({
      status: 422,
      body: { code: 'alarmUnknown' },
    });
  });

  it.each<[string, unknown]>([
    [
      'of another kind',
      alarmEvent('pump-7', { 'detail-type': 'CloudWatch Alarm Configuration Change' }),
    ],
    ['of another service', alarmEvent('pump-7', { source: 'my.app' })],
    ['with an odd account', alarmEvent('pump-7', { account: '12' })],
    ['with an odd region', alarmEvent('pump-7', { region: '../x' })],
    ['with no resource', alarmEvent('pump-7', { resources: [] })],
    ['with two resources', alarmEvent('pump-7', { resources: ['a', 'b'] })],
    [
      'with a name that CloudWatch would refuse',
      alarmEvent('x', { detail: detail({ alarmName: 'a\u0000b' }) }),
    ],
    ['with an odd time', alarmEvent('pump-7', {}, { timestamp: 'now' })],
    ['with an odd state', alarmEvent('pump-7', {}, { value: 'BAD' })],
    ['without an id', alarmEvent('pump-7', { id: undefined })],
    ['that is null', null],
    ['that is a list', [alarmEvent('pump-7')]],
  ])('%s is refused', async (_case, event) => {
    expect(await post(event)).toMatchObject({ status: 422, body: { code: 'notAnAlarm' } });
    expect(webhook.started).toEqual([]);
  });
});

describe('a caller without the key', () => {
  it.each<[string, Headers]>([
    ['none', { 'content-type': 'application/json' }],
    ['another', eventBridgeHeaders('k3-0123456789abcdefghijklmnopqrstuv')],
    ['half of it', eventBridgeHeaders(CREDENTIALS.apiKeys[0].slice(0, 17))],
    ['both at once', eventBridgeHeaders(CREDENTIALS.apiKeys.join(', '))],
    ['another case', eventBridgeHeaders(CREDENTIALS.apiKeys[0].toUpperCase())],
  ])('is refused before its body is looked at: %s', async (_case, headers) => {
    for (const body of [JSON.stringify(alarmEvent('pump-7')), 'x'.repeat(300_000)]) {
      expect(await webhook.send('/alarms/eventbridge', body, headers)).toMatchObject({
        status: 401,
        body: { code: 'unauthenticated' },
      });
    }
    expect(webhook.started).toEqual([]);
  });
});
