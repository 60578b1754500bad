import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import {
  alarmEvent,
  alert,
  alertGroup,
  alertmanagerHeaders,
  eventBridgeHeaders,
  toolAlarm,
  webhookHeaders,
  type Body,
  type Headers,
} from '../../support/senders';
import { startTestSns, type TestSns } from '../../support/sns';
import { createTestWebhook, type TestWebhook } from './harness';

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

const LIMIT = 256 * 1024;

describe.each<[string, unknown, (body: Body) => Headers]>([
  ['eventbridge', alarmEvent('pump-7'), () => eventBridgeHeaders()],
  ['alertmanager', alertGroup([alert('pump-7')]), () => alertmanagerHeaders()],
  ['webhook', toolAlarm('pump-7'), (body) => webhookHeaders(body)],
])('with the credential of %s, a body', (name, value, headersOf) => {
  const path = `/alarms/${name}`;
  const good = JSON.stringify(value);
  const send = (body: Body, headers: Headers = {}) =>
    webhook.send(path, body, { ...headersOf(body), ...headers });

  it.each<[string, Body, number, string]>([
    ['that is empty', '', 400, 'malformed'],
    ['that is cut off', good.slice(0, -1), 400, 'malformed'],
    ['that is followed by another', good + good, 400, 'malformed'],
    [
      'that is not UTF-8',
      Buffer.concat([Buffer.from(good), Buffer.from([0xff])]),
      400,
      'malformed',
    ],
    ['of 33 levels', '['.repeat(33) + ']'.repeat(33), 400, 'malformed'],
    ['of 100,000 levels', '['.repeat(100_000), 400, 'malformed'],
    [
      'deep beside what counts',
      good.replace('{', `{"x":${'['.repeat(40)}${']'.repeat(40)},`),
      400,
      'malformed',
    ],
    ['of 100,000 quotes', '"\\'.repeat(50_000), 400, 'malformed'],
    ['of 32 levels that is something else', '['.repeat(32) + ']'.repeat(32), 422, 'notAnAlarm'],
    ['above the limit', good + ' '.repeat(LIMIT + 1 - good.length), 413, 'tooLarge'],
  ])('%s is refused', async (_case, body, status, code) => {
    expect(await send(body)).toMatchObject({ status, body: { code } });
    expect(webhook.started).toEqual([]);
  });

  it('at the limit, and with brackets within its strings, is taken', async () => {
    const brackets = good.replace(
      '{',
      `{${name === 'webhook' ? '' : `"x":"\\"${'['.repeat(50)}",`}`,
    );
    const body = brackets + ' '.repeat(LIMIT - brackets.length);
    expect((await send(body)).status).toBe(200);
    expect(webhook.started).toHaveLength(1);
  });

  it.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'x'])(
    'of type %s is refused',
    async (type) => {
      expect(await send(good, { 'content-type': type })).toMatchObject({
        status: 415,
        body: { code: 'unsupportedMediaType' },
      });
    },
  );

  it('in JSON with its letters named is taken', async () => {
    const type = 'Application/JSON; charset=utf-8';
    expect(await send(good, { 'content-type': type })).toMatchObject({ status: 200 });
  });

  it('that names an inherited property is no alarm of it', async () => {
    const body = good.replace('{', '{"__proto__":{"thing":"x"},"constructor":{"prototype":{}},');
    const { status } = await send(body);
    expect(status).toBe(name === 'webhook' ? 422 : 200);
    expect(({} as Record<string, unknown>)['thing']).toBeUndefined();
  });

  it('of another sender is refused', async () => {
    const foreign = name === 'eventbridge' ? toolAlarm('pump-7') : alarmEvent('pump-7');
    expect(await send(JSON.stringify(foreign))).toMatchObject({
      status: 422,
      body: { code: 'notAnAlarm' },
    });
  });

  it('beyond the limit of its source is refused before its credential is looked at', async () => {
    const limited = await createTestWebhook(sns, { rateLimitPerMinute: 2 });
    try {
      const wrong = { 'content-type': 'application/json' };
      const answers = [];
      for (let index = 0; index < 3; index += 1)
        answers.push((await limited.send(path, good, wrong)).status);
      expect(answers).toEqual([401, 401, 429]);
    } finally {
      await limited.app.close();
    }
  });
});
