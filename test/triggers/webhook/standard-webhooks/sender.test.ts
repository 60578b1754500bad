import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { alarmIntakeId } from '../../../../domain/alarm/intake-id';
import {
  CREDENTIALS,
  toolAlarm,
  webhookHeaders,
  type Body,
  type Headers,
  type Signing,
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

const ALARM = JSON.stringify(toolAlarm('pump-7'));
const send = (body: Body, headers: Headers) => webhook.send('/alarms/webhook', body, headers);
const signedBy = (signing: Signing, body: Body = ALARM) =>
  send(body, webhookHeaders(body, signing));
const post = (body: unknown) => signedBy({}, JSON.stringify(body));
const nowS = (): number => Math.floor(Date.now() / 1_000);

describe('a signed alarm', () => {
  it('starts the intake of its thing, and is said to be unverified', async () => {
    expect(await signedBy({})).toMatchObject({ status: 200, body: { code: 'started' } });
    expect(webhook.started).toEqual([
      {
        alarm: {
          source: 'webhook',
          name: 'scanner/OpenTelnet',
          arn: expect.stringMatching(/^webhook:[0-9a-f]{64}$/),
          accountId: '',
          region: '',
          state: 'ALARM',
          stateChangedAt: '2026-11-24T12:00:00.123Z',
          reason: 'port 23 answers',
          dimensions: { ThingName: 'pump-7' },
          unverified: true,
        },
        route: { runbook: 'quarantine', thing: 'pump-7', severity: 'medium' },
      },
    ]);
  });

  it("is taken as the specification's own library signs it", async () => {
    const at = new Date();
    const headers = {
      'content-type': 'application/json',
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(CREDENTIALS.secrets[0]).sign('msg_1', at, ALARM),
    };
    expect(await send(ALARM, headers)).toMatchObject({ body: { code: 'started' } });
  });

  it.each(CREDENTIALS.secrets)(
    'is taken by either secret while one replaces the other',
    async (secret) => {
      expect(await signedBy({ secret })).toMatchObject({ body: { code: 'started' } });
    },
  );

  it('is taken where one of several signatures is good', async () => {
    const headers = webhookHeaders(ALARM);
    const others = `v1a,AAAA v1,${Buffer.alloc(32).toString('base64')}`;
    const all = {
      ...headers,
      'webhook-signature': `${others} ${headers['webhook-signature'] ?? ''}`,
    };
    expect(await send(ALARM, all)).toMatchObject({ body: { code: 'started' } });
  });

  it('replayed starts nothing again; but where it could not be taken, it is', async () => {
    const headers = webhookHeaders(ALARM);
    const { answer } = webhook.intake;
    webhook.intake.answer = () => Promise.reject(new Error('down'));
    expect(await send(ALARM, headers)).toMatchObject({ status: 503, retryAfter: '20' });
    webhook.intake.answer = answer;
    expect(await send(ALARM, headers)).toMatchObject({ body: { code: 'started' } });
    expect(await send(ALARM, headers)).toMatchObject({ status: 200, body: { code: 'replayed' } });
    expect(webhook.started).toHaveLength(1);
  });

  it('is one alarm event however often its tool tells it anew, and another at another time', async () => {
    await post(toolAlarm('pump-7'));
    await post(toolAlarm('pump-7', {}, { reason: 'still' }));
    await post(toolAlarm('pump-7', { timestamp: '2026-11-24T12:00:01Z' }));
    const ids = webhook.started.map(({ alarm }) => alarmIntakeId(alarm));
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it.each([-299, 299])('is taken with a clock %d s off', async (offset) => {
    expect(await signedBy({ timestamp: nowS() + offset })).toMatchObject({ status: 200 });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['has cleared', toolAlarm('pump-7', { type: 'alarm.resolved' }), 'notInAlarm'],
    ['has no route', toolAlarm('pump-7', {}, { name: 'lunch' }), 'noRoute'],
    [
      "borrows a name of CloudWatch's",
      toolAlarm('pump-7', {}, { name: 'iot-runbooks/RefusedPublishes/pump-7' }),
      'noRoute',
    ],
    ['names every thing', toolAlarm('*'), 'noRoute'],
    ['names no thing', toolAlarm('x', {}, { dimensions: {} }), 'noRoute'],
  ])('that %s is acknowledged and starts nothing', async (_case, body, code) => {
    expect(await post(body)).toMatchObject({ status: 200, body: { code } });
    expect(webhook.started).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['has another type', toolAlarm('pump-7', { type: 'x' })],
    ['has an extra field', toolAlarm('pump-7', { extra: 1 })],
    ['has an extra field within', toolAlarm('pump-7', {}, { extra: 1 })],
    ['has no name', toolAlarm('pump-7', {}, { name: '' })],
    ['has a long reason', toolAlarm('pump-7', {}, { reason: 'x'.repeat(1_024) })],
    ['has a number for a dimension', toolAlarm('pump-7', {}, { dimensions: { ThingName: 7 } })],
    [
      'has too many dimensions',
      toolAlarm(
        'x',
        {},
        { dimensions: Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`d${i}`, 'x'])) },
      ),
    ],
    ['has an odd time', toolAlarm('pump-7', { timestamp: 'now' })],
    ['is null', null],
  ])('that %s is refused', async (_case, body) => {
    expect(await post(body)).toMatchObject({ status: 422, body: { code: 'notAnAlarm' } });
  });
});

const without =
  (name: string) =>
  (headers: Headers): Headers =>
    Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name));

describe('a forged or stale message', () => {
  const edited: [string, (headers: Headers) => Headers, number, string][] = [
    [
      'another id',
      (headers) => ({ ...headers, 'webhook-id': 'msg_other' }),
      403,
      'signatureInvalid',
    ],
    [
      'another time',
      (headers) => ({ ...headers, 'webhook-timestamp': String(nowS() - 60) }),
      403,
      'signatureInvalid',
    ],
    [
      'no signature of ours',
      (headers) => ({ ...headers, 'webhook-signature': 'v1a,AAAA' }),
      401,
      'unauthenticated',
    ],
    [
      'a short signature',
      (headers) => ({ ...headers, 'webhook-signature': 'v1,AAAA' }),
      401,
      'unauthenticated',
    ],
    [
      'an id with a dot',
      (headers) => ({ ...headers, 'webhook-id': 'a.1' }),
      401,
      'unauthenticated',
    ],
    [
      'a time with a rest',
      (headers) => ({ ...headers, 'webhook-timestamp': `${nowS()}x` }),
      401,
      'unauthenticated',
    ],
    [
      'a time in milliseconds',
      (headers) => ({ ...headers, 'webhook-timestamp': String(Date.now()).slice(0, 12) }),
      403,
      'timestampOutOfRange',
    ],
    ['no id', without('webhook-id'), 401, 'unauthenticated'],
    ['no time', without('webhook-timestamp'), 401, 'unauthenticated'],
    ['no signature', without('webhook-signature'), 401, 'unauthenticated'],
  ];
  it.each(edited)('with %s is refused', async (_case, edit, status, code) => {
    const headers = webhookHeaders(ALARM);
    expect(await send(ALARM, edit(headers))).toMatchObject({ status, body: { code } });
    expect(webhook.started).toEqual([]);
    expect(await send(ALARM, headers)).toMatchObject({ body: { code: 'started' } });
  });

  it.each([-301, 301, -1e9])('%d s off is refused', async (offset) => {
    expect(await signedBy({ timestamp: nowS() + offset })).toMatchObject({
      status: 403,
      body: { code: 'timestampOutOfRange' },
    });
  });

  it('signed by another secret is refused', async () => {
    const secret = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
    expect(await signedBy({ secret })).toMatchObject({
      status: 403,
      body: { code: 'signatureInvalid' },
    });
  });

  it('with an edited body is refused', async () => {
    const body = ALARM.replace('pump-7', 'pump-8');
    expect(await send(body, webhookHeaders(ALARM))).toMatchObject({
      status: 403,
      body: { code: 'signatureInvalid' },
    });
  });

  it('whose bytes differ only where they are not UTF-8 is refused, unlike by a library that decodes first', async () => {
    const bytes = (last: number) => Buffer.concat([Buffer.from('{"a":"'), Buffer.from([last])]);
    const headers = webhookHeaders(bytes(0xff), { id: 'msg_1' });
    const { status, body } = await send(bytes(0xfe), headers);
    expect([status, body]).toEqual([403, { code: 'signatureInvalid' }]);
    const at = new Date(nowS() * 1_000);
    const library = new Webhook(CREDENTIALS.secrets[0]);
    expect(library.sign('msg_1', at, bytes(0xfe))).toBe(library.sign('msg_1', at, bytes(0xff)));
  });
});
