import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';

import type { AlarmSource } from '../../../domain/alarm/source';
import type { Alarm, AlarmIntakeInput } from '../../../domain/alarm/types';
import type { QuarantineRunbook, RouteRule } from '../../../domain/runbook';
import { createAlertmanagerSender } from '../../../triggers/webhook/alertmanager/sender';
import type { FiringAlert } from '../../../triggers/webhook/alertmanager/source';
import { createEventBridgeSender } from '../../../triggers/webhook/eventbridge/sender';
import type { IntakeResult } from '../../../triggers/webhook/intake';
import { createMessageMemory } from '../../../triggers/webhook/message-memory';
import { createWebhookMetrics } from '../../../triggers/webhook/metrics';
import { createWebhook } from '../../../triggers/webhook/server';
import { httpsGet } from '../../../triggers/webhook/sns/https-get';
import { createSnsSender } from '../../../triggers/webhook/sns/sender';
import { createSigningCertificates } from '../../../triggers/webhook/sns/signing-certificates';
import { createSnsVerifier } from '../../../triggers/webhook/sns/verifier';
import { createStandardWebhooksSender } from '../../../triggers/webhook/standard-webhooks/sender';
import { readSecret } from '../../../triggers/webhook/standard-webhooks/signature';
import { alertLabels, CREDENTIALS, type Body, type Headers } from '../../support/senders';
import { TOPIC, type TestSns } from '../../support/sns';

const setting = { defaultMs: 1, minMs: 1, maxMs: 1 };
const everywhere = { accounts: 'any', regions: 'any', subject: 'ThingName' } as const;
/** The routes that docs/senders.md shows. */
export const ROUTES: RouteRule[] = [
  {
    ...everywhere,
    alarm: 'iot-runbooks/RefusedPublishes/*',
    sources: ['cloudwatch'],
    verify: 'source',
    severity: 'high',
  },
  {
    ...everywhere,
    alarm: 'IotRunbooks*',
    sources: ['alertmanager'],
    verify: 'source',
    severity: 'high',
  },
  {
    ...everywhere,
    alarm: 'scanner/*',
    sources: ['webhook'],
    verify: 'sender',
    severity: 'medium',
  },
];
const runbookOf = (routes: RouteRule[]): QuarantineRunbook => ({
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

export interface Answer {
  status: number;
  body: unknown;
  retryAfter: string | null;
}

/** A webhook whose CloudWatch, Alertmanager and Temporal the test plays. */
export interface TestWebhook {
  app: FastifyInstance;
  url: string;
  started: AlarmIntakeInput[];
  confirmed: [string, string][];
  source: AlarmSource;
  /** What fires at Alertmanager: an alert of pump-7, unless told. */
  alertmanager: { firing: (common: Record<string, string>) => Promise<FiringAlert[]> };
  intake: { answer: () => Promise<IntakeResult> };
  temporal: { reachable: boolean };
  post(body: unknown, contentType?: string): Promise<Answer>;
  send(path: string, body: Body, headers: Headers): Promise<Answer>;
  get(path: string): Promise<{ status: number; text: string }>;
}

export interface TestWebhookOptions {
  rateLimitPerMinute?: number;
  /** Alertmanager can't be asked: no URL is configured. */
  withoutAlertmanager?: boolean;
  /** Routes before those of docs/senders.md. */
  routes?: RouteRule[];
}

export async function createTestWebhook(
  sns: TestSns,
  options: TestWebhookOptions = {},
): Promise<TestWebhook> {
  const played = play();
  const app = await createWebhook({
    senders: sendersOf(sns, played, options),
    isTemporalReachable: () => Promise.resolve(played.temporal.reachable),
    metrics: createWebhookMetrics(),
    logger: pino({ level: 'silent' }),
    rateLimitPerMinute: options.rateLimitPerMinute ?? 100_000,
    trustedProxies: 0,
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const send: TestWebhook['send'] = async (path, body, headers) => {
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body });
    return {
      status: response.status,
      body: await response.json(),
      retryAfter: response.headers.get('retry-after'),
    };
  };
  return {
    ...played,
    app,
    url,
    send,
    post: (body, contentType = 'text/plain; charset=UTF-8') =>
      send('/alarms/sns', typeof body === 'string' ? body : JSON.stringify(body), {
        'content-type': contentType,
      }),
    async get(path) {
      const response = await fetch(`${url}${path}`);
      return { status: response.status, text: await response.text() };
    },
  };
}

type Played = Pick<
  TestWebhook,
  'started' | 'confirmed' | 'source' | 'alertmanager' | 'intake' | 'temporal'
>;

function play(): Played {
  const confirmed: [string, string][] = [];
  return {
    started: [],
    confirmed,
    source: {
      readAlarm: () => Promise.resolve(alarmOf('pump-7')),
      confirmSubscription: (arn, token) => {
        confirmed.push([arn, token]);
        return Promise.resolve('confirmed');
      },
    },
    alertmanager: {
      firing: () =>
        Promise.resolve([{ labels: alertLabels('pump-7'), startsAt: '2026-11-24T12:00:00.123Z' }]),
    },
    intake: { answer: () => Promise.resolve('started') },
    temporal: { reachable: true },
  };
}

function sendersOf(sns: TestSns, played: Played, options: TestWebhookOptions) {
  const deps = {
    alarms: {
      readAlarm: (name: string, region: string) => played.source.readAlarm(name, region),
      confirmSubscription: (arn: string, token: string) =>
        played.source.confirmSubscription(arn, token),
    },
    runbooks: [runbookOf([...(options.routes ?? []), ...ROUTES])],
    startIntake: async (input: AlarmIntakeInput) => {
      const answer = await played.intake.answer();
      played.started.push(input);
      return answer;
    },
    memory: createMessageMemory({ keepMs: 7_200_000, limit: 1_000 }),
    onFailure: () => undefined,
  };
  const certificates = createSigningCertificates({
    fetch: (host, path) =>
      httpsGet({ host, path, ca: sns.caPem, timeoutMs: 2_000, maxBytes: 16_384 }),
  });
  const topics = [{ arn: TOPIC, region: 'eu-west-1', signingHost: sns.host }];
  return [
    createSnsSender({ ...deps, verifier: createSnsVerifier({ topics, certificates }) }),
    createEventBridgeSender({ ...deps, apiKeys: CREDENTIALS.apiKeys, regions: ['eu-west-1'] }),
    createAlertmanagerSender({
      ...deps,
      tokens: CREDENTIALS.tokens,
      dimensions: { thing: 'ThingName' },
      ...(options.withoutAlertmanager !== true && {
        source: { readFiring: (common) => played.alertmanager.firing(common) },
      }),
    }),
    createStandardWebhooksSender({
      ...deps,
      secrets: CREDENTIALS.secrets.flatMap((secret) => readSecret(secret) ?? []),
    }),
  ];
}
