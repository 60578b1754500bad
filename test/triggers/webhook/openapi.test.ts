import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { z } from 'zod';

import { alarmSchema } from '../../../domain/alarm/alarm.schema';
import { describeApi } from '../../../triggers/webhook/openapi';
import { createAuthorize } from '../../support/openapi/authorize';
import { openApiDocument, postsOf, undocumented } from '../../support/openapi/document';
import { requestsOf, type Authorize } from '../../support/openapi/requests';
import { CERTIFICATE_PATH, startTestSns, TOPIC, type TestSns } from '../../support/sns';
import { createTestWebhook, type TestWebhook } from './harness';

const RUNS = 1_500;
let sns: TestSns;
let webhook: TestWebhook;
let document: z.infer<typeof openApiDocument>;
let authorize: Authorize;

beforeAll(async () => {
  sns = await startTestSns();
  webhook = await createTestWebhook(sns);
  document = openApiDocument.parse(JSON.parse((await webhook.get('/openapi.json')).text));
  authorize = createAuthorize({
    key: sns.signer.privateKey,
    url: `https://${sns.host}${CERTIFICATE_PATH}`,
    topicArn: TOPIC,
  });
});
afterAll(async () => {
  await webhook.app.close();
  await sns.close();
});

describe('the OpenAPI document', () => {
  it('has a path for each sender that has a credential, and for none that has not', () => {
    const operators = ['/healthz', '/metrics', '/openapi.json'];
    expect(Object.keys(document.paths)).toEqual([
      '/alarms/sns',
      '/alarms/eventbridge',
      '/alarms/alertmanager',
      '/alarms/webhook',
      ...operators,
    ]);
    expect(Object.keys(openApiDocument.parse(describeApi([])).paths)).toEqual(operators);
  });

  it('names only schemas and security schemes that it has', () => {
    const text = JSON.stringify(document);
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g))
      expect(document.components.schemas).toHaveProperty(name);
    for (const { operation } of postsOf(document)) {
      for (const scheme of operation.security.flatMap((each) => Object.keys(each)))
        expect(document.components.securitySchemes).toHaveProperty(scheme);
    }
  });

  it('says of each example what comes of it', async () => {
    let sent = 0;
    for (const post of postsOf(document)) {
      for (const { summary, value } of post.examples) {
        const [, code, status] = /: (\w+) \((\d+)\)$/.exec(summary) ?? [];
        const { body, headers } = authorize(post.path, value, null);
        const answer = await webhook.send(post.path, body, headers);
        expect([post.path, summary, answer.status, answer.body]).toEqual([
          post.path,
          summary,
          Number(status),
          expect.objectContaining({ code }),
        ]);
        expect(undocumented(post, answer.status, answer.body)).toBeNull();
        sent += 1;
      }
    }
    expect(sent).toBe(16);
  });

  it('is kept to, whatever is sent: every answer is one that it promises, none is 5xx', async () => {
    const fresh = await createTestWebhook(sns);
    const codes = new Set<string>();
    const property = fc.asyncProperty(
      requestsOf(postsOf(document), authorize),
      async ({ post, body, headers, authorized }) => {
        const before = fresh.started.length;
        const answer = await fresh.send(post.path, body, headers);
        expect(answer.status).toBeLessThan(500);
        expect(undocumented(post, answer.status, answer.body)).toBeNull();
        codes.add(`${post.path} ${(answer.body as { code: string }).code}`);
        if (!authorized && post.path !== '/alarms/sns') expect(fresh.started).toHaveLength(before);
      },
    );
    try {
      await fc.assert(property, { numRuns: RUNS, seed: 7 });
    } finally {
      await fresh.app.close();
    }
    // The control: requests got all the way through, and each as one alarm that may be passed on.
    expect([...codes]).toEqual(
      expect.arrayContaining([
        '/alarms/sns started',
        '/alarms/eventbridge started',
        '/alarms/alertmanager batch',
        '/alarms/webhook started',
        '/alarms/webhook notAnAlarm',
        '/alarms/webhook unauthenticated',
        '/alarms/eventbridge tooLarge',
      ]),
    );
    expect(fresh.started.length).toBeGreaterThan(10);
    for (const { alarm } of fresh.started) expect(alarmSchema.parse(alarm)).toEqual(alarm);
  }, 60_000);
});
