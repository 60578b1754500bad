import { connect } from 'node:net';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { alarmMessage, startTestSns, TOPIC, type SnsFields, type TestSns } from '../../support/sns';
import { alarmOf, createTestWebhook, type TestWebhook } from './harness';

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

const alarm = (changes: SnsFields = {}, thing = 'pump-7'): SnsFields =>
  sns.notification({ Message: JSON.stringify(alarmMessage(thing, changes)) });

describe('a signed alarm', () => {
  it('starts the intake of its thing with what CloudWatch says, and is acknowledged', async () => {
    const answer = await webhook.post(alarm({ NewStateReason: 'claimed' }));
    expect(answer).toMatchObject({ status: 200, body: { code: 'started' } });
    expect(webhook.started).toEqual([
      {
        alarm: alarmOf('pump-7'),
        route: { runbook: 'quarantine', thing: 'pump-7', severity: 'high' },
      },
    ]);
  });

  it('is taken as application/json too', async () => {
    expect((await webhook.post(alarm(), 'application/json')).status).toBe(200);
  });

  it('is acknowledged where Temporal has it already', async () => {
    webhook.intake.answer = () => Promise.resolve('duplicate');
    expect(await webhook.post(alarm())).toMatchObject({ status: 200, body: { code: 'duplicate' } });
  });

  it('delivered again starts nothing again', async () => {
    const message = alarm();
    expect(await webhook.post(message)).toMatchObject({ body: { code: 'started' } });
    expect(await webhook.post(message)).toMatchObject({ status: 200, body: { code: 'replayed' } });
    expect(webhook.started).toHaveLength(1);
  });

  it.each(['Temporal', 'CloudWatch'])(
    'is asked for again while %s is unreachable, and then taken',
    async (part) => {
      const message = alarm();
      const { answer } = webhook.intake;
      const readAlarm = webhook.source.readAlarm.bind(webhook.source);
      if (part === 'Temporal') webhook.intake.answer = () => Promise.reject(new Error('down'));
      else webhook.source.readAlarm = () => Promise.reject(new Error('down'));
      const code = part === 'Temporal' ? 'temporalUnreachable' : 'awsUnreachable';
      expect(await webhook.post(message)).toEqual({
        status: 503,
        body: { code },
        retryAfter: '20',
      });
      webhook.intake.answer = answer;
      webhook.source.readAlarm = readAlarm;
      expect(await webhook.post(message)).toMatchObject({ status: 200, body: { code: 'started' } });
    },
  );

  it.each<[string, SnsFields, string]>([
    ['says OK', { NewStateValue: 'OK' }, 'notInAlarm'],
    ['says INSUFFICIENT_DATA', { NewStateValue: 'INSUFFICIENT_DATA' }, 'notInAlarm'],
    ['has a name without a route', { AlarmName: 'CPU' }, 'noRoute'],
    ['has no dimension', { Trigger: { Dimensions: [] } }, 'noRoute'],
    [
      'names two things',
      {
        Trigger: {
          Dimensions: [
            { name: 'ThingName', value: 'a' },
            { name: 'ThingName', value: 'b' },
          ],
        },
      },
      'noRoute',
    ],
    [
      'names every thing',
      { Trigger: { Dimensions: [{ name: 'ThingName', value: '*' }] } },
      'noRoute',
    ],
  ])('that %s is acknowledged and starts nothing', async (_case, changes, code) => {
    expect(await webhook.post(alarm(changes))).toMatchObject({ status: 200, body: { code } });
    expect(webhook.started).toEqual([]);
  });

  it('that has gone back to OK since is acknowledged and starts nothing', async () => {
    webhook.source.readAlarm = () => Promise.resolve(alarmOf('pump-7', { state: 'OK' }));
    expect(await webhook.post(alarm())).toMatchObject({
      status: 200,
      body: { code: 'notInAlarm' },
    });
    expect(webhook.started).toEqual([]);
  });

  it.each<[string, SnsFields, ReturnType<typeof alarmOf> | null, string]>([
    ['does not exist', {}, null, 'alarmUnknown'],
    [
      'watches another thing',
      {},
      alarmOf('pump-7', { dimensions: { ThingName: 'pump-8' } }),
      'alarmDiffers',
    ],
    ['watches no one thing', {}, alarmOf('pump-7', { dimensions: {} }), 'alarmDiffers'],
    [
      'has another ARN',
      { AlarmArn: 'arn:aws:cloudwatch:eu-west-1:111111111111:alarm:x' },
      alarmOf('pump-7'),
      'alarmDiffers',
    ],
  ])('for an alarm that %s at CloudWatch is refused', async (_case, changes, found, code) => {
    webhook.source.readAlarm = () => Promise.resolve(found);
    expect(await webhook.post(alarm(changes))).toMatchObject({ status: 422, body: { code } });
    expect(webhook.started).toEqual([]);
  });

  it('about a metric-math alarm is understood by the dimension of its metrics', async () => {
    const stat = (thing: string) => ({
      Id: 'm',
      MetricStat: { Metric: { Dimensions: [{ name: 'ThingName', value: thing }] }, Period: 10 },
    });
    const math = { Trigger: { Metrics: [{ Id: 'e', Expression: 'm*2' }, stat('pump-7')] } };
    expect(await webhook.post(alarm(math))).toMatchObject({ body: { code: 'started' } });
    const mixed = { Trigger: { Metrics: [stat('pump-8'), stat('pump-7')] } };
    expect(await webhook.post(alarm(mixed))).toMatchObject({ body: { code: 'noRoute' } });
  });

  it.each<[string, unknown]>([
    ['text', 'hello'],
    ['null', 'null'],
    ['a list', '[]'],
    ['deep', '['.repeat(100_000)],
    ['an alarm without a name', JSON.stringify(alarmMessage('pump-7', { AlarmName: '' }))],
    ['an alarm with a number for a name', JSON.stringify(alarmMessage('pump-7', { AlarmName: 7 }))],
    [
      'an alarm with an odd account',
      JSON.stringify(alarmMessage('pump-7', { AWSAccountId: '12' })),
    ],
    [
      'an alarm with an odd time',
      JSON.stringify(alarmMessage('pump-7', { StateChangeTime: 'now' })),
    ],
    [
      'an alarm with odd dimensions',
      JSON.stringify(alarmMessage('pump-7', { Trigger: { Dimensions: { a: 1 } } })),
    ],
  ])('message that is %s is refused', async (_case, message) => {
    expect(await webhook.post(sns.notification({ Message: message }))).toMatchObject({
      status: 422,
      body: { code: 'notAnAlarm' },
    });
  });
});

describe('a subscription confirmation', () => {
  it('is confirmed at AWS, once, and its address is not fetched', async () => {
    const message = sns.confirmation('SubscriptionConfirmation', {
      SubscribeURL: `https://${sns.host}/subscribe`,
    });
    expect(await webhook.post(message)).toMatchObject({
      status: 200,
      body: { code: 'subscriptionConfirmed' },
    });
    expect(await webhook.post(message)).toMatchObject({ body: { code: 'replayed' } });
    expect(webhook.confirmed).toEqual([[TOPIC, 'token-1']]);
    expect(sns.requests).not.toContain('/subscribe');
  });

  it('with a token that AWS refuses is refused', async () => {
    webhook.source.confirmSubscription = () => Promise.resolve('refused');
    expect(await webhook.post(sns.confirmation('SubscriptionConfirmation'))).toMatchObject({
      status: 422,
      body: { code: 'subscriptionRefused' },
    });
  });

  it.each(['\ud800', 'a b', '\u0000', ''])(
    'with a token that the API could not take is malformed: %j',
    async (Token) => {
      const message = sns.confirmation('SubscriptionConfirmation', { Token });
      expect(await webhook.post(message)).toMatchObject({
        status: 400,
        body: { code: 'malformed' },
      });
    },
  );

  it('is asked for again while AWS is unreachable', async () => {
    webhook.source.confirmSubscription = () => Promise.reject(new Error('down'));
    expect(await webhook.post(sns.confirmation('SubscriptionConfirmation'))).toMatchObject({
      status: 503,
      body: { code: 'awsUnreachable' },
      retryAfter: '20',
    });
  });

  it('of another topic is not confirmed', async () => {
    const message = sns.confirmation('SubscriptionConfirmation', { TopicArn: `${TOPIC}-other` });
    expect(await webhook.post(message)).toMatchObject({
      status: 403,
      body: { code: 'topicNotAllowed' },
    });
    expect(webhook.confirmed).toEqual([]);
  });

  it('that ends a subscription changes nothing', async () => {
    expect(await webhook.post(sns.confirmation('UnsubscribeConfirmation'))).toMatchObject({
      status: 200,
      body: { code: 'unsubscribed' },
    });
    expect(webhook.confirmed).toEqual([]);
  });
});

describe('a request that is no delivery', () => {
  it('is refused above 256 KB, and taken just below', async () => {
    const padded = (length: number) => ' '.repeat(length - JSON.stringify(alarm()).length);
    const limit = 256 * 1024;
    const message = alarm();
    const text = JSON.stringify(message);
    const fits = await webhook.post(text + padded(limit).slice(0, limit - text.length));
    expect(fits.status).toBe(200);
    expect(await webhook.post('x'.repeat(limit + 1))).toMatchObject({
      status: 413,
      body: { code: 'tooLarge' },
    });
  });

  it.each(['application/xml', 'multipart/form-data; boundary=x', 'text/html', 'x'])(
    'of type %s is refused',
    async (type) => {
      expect(await webhook.post(alarm(), type)).toMatchObject({
        status: 415,
        body: { code: 'unsupportedMediaType' },
      });
    },
  );

  it.each([
    ['GET', '/alarms/sns', 404],
    ['PUT', '/alarms/sns', 404],
    ['POST', '/alarms/sns/', 404],
    ['POST', '/alarms', 404],
    ['GET', '/%zz', 400],
    ['GET', '/../../etc/passwd', 404],
  ] as const)('%s %s answers %d', async (method, url, status) => {
    const head = `${method} ${url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
    expect(await exchange(head)).toContain(`HTTP/1.1 ${status} `);
  });

  it('is malformed without a body', async () => {
    expect(await webhook.post('')).toMatchObject({ status: 400, body: { code: 'malformed' } });
  });

  it.each([
    ['is not HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'has endless headers',
      `POST /alarms/sns HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 /,
    ],
    [
      'has two lengths',
      'POST /alarms/sns HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'smuggles',
      'POST /alarms/sns HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'expects the odd',
      'POST /alarms/sns HTTP/1.1\r\nhost: x\r\nexpect: odd\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
      /^HTTP\/1\.1 4\d\d /,
    ],
  ])('that %s is answered with 4xx', async (_case, raw, expected) => {
    expect(await exchange(raw)).toMatch(expected);
    expect((await webhook.get('/healthz')).status).toBe(200);
  });

  it('beyond the limit of its source is refused with a time to wait; health is not limited', async () => {
    const limited = await createTestWebhook(sns, { rateLimitPerMinute: 3 });
    try {
      const codes = [];
      for (let index = 0; index < 5; index += 1) codes.push((await limited.post(alarm())).body);
      expect(codes.slice(0, 3)).toEqual(Array(3).fill({ code: 'started' }));
      expect(codes.slice(3)).toEqual(Array(2).fill({ code: 'rateLimited' }));
      expect(await limited.post(alarm())).toMatchObject({ status: 429, retryAfter: '20' });
      expect((await limited.get('/healthz')).status).toBe(200);
    } finally {
      await limited.app.close();
    }
  });
});

describe('what operators see', () => {
  it('is healthy while Temporal answers', async () => {
    expect(await webhook.get('/healthz')).toEqual({
      status: 200,
      text: '{"ok":true,"temporal":true}',
    });
    webhook.temporal.reachable = false;
    expect(await webhook.get('/healthz')).toEqual({
      status: 503,
      text: '{"ok":false,"temporal":false}',
    });
  });

  it('counts requests by how they ended', async () => {
    await webhook.post(alarm());
    await webhook.post('{}');
    await webhook.post('{}');
    const { text } = await webhook.get('/metrics');
    expect(text).toContain('webhook_requests_total{sender="sns",code="started"} 1');
    expect(text).toContain('webhook_requests_total{sender="sns",code="malformed"} 2');
    expect(text).toContain('webhook_request_duration_seconds_count 3');
  });
});

describe('closing', () => {
  it('answers what is under way and takes nothing new', async () => {
    let accept: (answer: 'started') => void = () => undefined;
    const underWay = new Promise<void>((asked) => {
      webhook.intake.answer = () => {
        asked();
        return new Promise((resolve) => {
          accept = resolve;
        });
      };
    });
    const pending = webhook.post(alarm());
    await underWay;
    const closed = webhook.app.close();
    while (webhook.app.server.listening) await new Promise((resolve) => setImmediate(resolve));
    await expect(fetch(`${webhook.url}/healthz`)).rejects.toThrow();
    accept('started');
    expect((await pending).status).toBe(200);
    await closed;
  });
});

/** What the server says to raw bytes, until it closes. */
function exchange(raw: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(webhook.url).port), '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
    socket.write(raw);
  });
}
