import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';

import type { AlarmSource } from '../../../domain/alarm/source';
import type { Alarm, AlarmIntakeInput } from '../../../domain/alarm/types';
import type { QuarantineRunbook } from '../../../domain/runbook';
import { httpsGet } from '../../../triggers/webhook/https-get';
import type { IntakeResult } from '../../../triggers/webhook/intake';
import { createMessageMemory } from '../../../triggers/webhook/message-memory';
import { createWebhookMetrics } from '../../../triggers/webhook/metrics';
import { createWebhook } from '../../../triggers/webhook/server';
import { createSigningCertificates } from '../../../triggers/webhook/signing-certificates';
import { createSnsVerifier } from '../../../triggers/webhook/sns-verifier';
import { TOPIC, type TestSns } from '../../support/sns';

const setting = { defaultMs: 1, minMs: 1, maxMs: 1 };
export const RUNBOOK: QuarantineRunbook = {
  name: 'quarantine',
  routes: [
    {
      alarm: 'iot-runbooks/RefusedPublishes/*',
      accounts: 'any',
      regions: 'any',
      subject: 'ThingName',
      severity: 'high',
    },
  ],
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

/** The alarm of `alarmMessage(thing)`, as CloudWatch tells it. */
export function alarmOf(thing: string, changes: Partial<Alarm> = {}): Alarm {
  const name = `iot-runbooks/RefusedPublishes/${thing}`;
  return {
    source: 'cloudwatch',
    name,
    arn: `arn:aws:cloudwatch:eu-west-1:000000000000:alarm:${name}`,
    accountId: '000000000000',
    region: 'eu-west-1',
    state: 'ALARM',
    stateChangedAt: '2026-11-24T12:00:00.123Z',
    reason: 'Threshold Crossed',
    dimensions: { ThingName: thing },
    ...changes,
  };
}

/** A webhook whose CloudWatch and Temporal the test plays. */
export interface TestWebhook {
  app: FastifyInstance;
  url: string;
  started: AlarmIntakeInput[];
  confirmed: [string, string][];
  source: AlarmSource;
  intake: { answer: () => Promise<IntakeResult> };
  temporal: { reachable: boolean };
  post(
    body: unknown,
    contentType?: string,
  ): Promise<{ status: number; body: unknown; retryAfter: string | null }>;
  get(path: string): Promise<{ status: number; text: string }>;
}

export async function createTestWebhook(
  sns: TestSns,
  rateLimitPerMinute = 100_000,
): Promise<TestWebhook> {
  const started: AlarmIntakeInput[] = [];
  const confirmed: [string, string][] = [];
  const source: AlarmSource = {
    readAlarm: () => Promise.resolve(alarmOf('pump-7')),
    confirmSubscription: (arn, token) => {
      confirmed.push([arn, token]);
      return Promise.resolve('confirmed');
    },
  };
  const intake = { answer: (): Promise<IntakeResult> => Promise.resolve('started') };
  const temporal = { reachable: true };
  const app = await createWebhook({
    verifier: createSnsVerifier({
      topics: [{ arn: TOPIC, region: 'eu-west-1', signingHost: sns.host }],
      certificates: createSigningCertificates({
        fetch: (host, path) =>
          httpsGet({ host, path, ca: sns.caPem, timeoutMs: 2_000, maxBytes: 16_384 }),
      }),
    }),
    alarms: {
      readAlarm: (name, region) => source.readAlarm(name, region),
      confirmSubscription: (arn, token) => source.confirmSubscription(arn, token),
    },
    runbooks: [RUNBOOK],
    startIntake: async (input) => {
      const answer = await intake.answer();
      started.push(input);
      return answer;
    },
    isTemporalReachable: () => Promise.resolve(temporal.reachable),
    memory: createMessageMemory({ keepMs: 7_200_000, limit: 1_000 }),
    metrics: createWebhookMetrics(),
    logger: pino({ level: 'silent' }),
    rateLimitPerMinute,
    trustedProxies: 0,
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    app,
    url,
    started,
    confirmed,
    source,
    intake,
    temporal,
    async post(body, contentType = 'text/plain; charset=UTF-8') {
      const response = await fetch(`${url}/alarms/sns`, {
        method: 'POST',
        headers: { 'content-type': contentType },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      return {
        status: response.status,
        body: await response.json(),
        retryAfter: response.headers.get('retry-after'),
      };
    },
    async get(path) {
      const response = await fetch(`${url}${path}`);
      return { status: response.status, text: await response.text() };
    },
  };
}
