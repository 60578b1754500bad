import { createHmac, randomUUID } from 'node:crypto';

/** Credentials of the senders in tests; a second one of each, as while one replaces the other. */
export const CREDENTIALS = {
  apiKeys: ['k1-0123456789abcdefghijklmnopqrstuv', 'k2-0123456789abcdefghijklmnopqrstuv'],
  tokens: ['t1-0123456789abcdefghijklmnopqrstuv', 't2-0123456789abcdefghijklmnopqrstuv'],
  secrets: [secretOf(1), secretOf(2)],
} as const;

function secretOf(byte: number): string {
  return `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
}

/** What a process takes them from. */
export const SENDER_ENVIRONMENT = {
  EVENTBRIDGE_API_KEYS: CREDENTIALS.apiKeys.join(','),
  EVENTBRIDGE_REGIONS: 'eu-west-1',
  ALERTMANAGER_TOKENS: CREDENTIALS.tokens.join(','),
  STANDARD_WEBHOOKS_SECRETS: CREDENTIALS.secrets.join(','),
};

export type Headers = Record<string, string>;
export type Body = string | Buffer;

const JSON_TYPE = { 'content-type': 'application/json' };

export const eventBridgeHeaders = (key: string = CREDENTIALS.apiKeys[0]): Headers => ({
  ...JSON_TYPE,
  'x-api-key': key,
});
export const alertmanagerHeaders = (token: string = CREDENTIALS.tokens[0]): Headers => ({
  ...JSON_TYPE,
  authorization: `Bearer ${token}`,
});

export interface Signing {
  secret?: string;
  id?: string;
  /** Unix time in seconds. */
  timestamp?: number | string;
}

/** Written apart from the code under test, after the specification. */
export function webhookHeaders(body: Body, signing: Signing = {}): Headers {
  const { secret = CREDENTIALS.secrets[0], id = `msg_${randomUUID()}` } = signing;
  const timestamp = String(signing.timestamp ?? Math.floor(Date.now() / 1_000));
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), Buffer.from(body)]);
  return {
    ...JSON_TYPE,
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
  };
}

type Fields = Record<string, unknown>;

/** The event of the alarm that `alarmMessage(thing)` tells by SNS. */
export function alarmEvent(thing: string, changes: Fields = {}, state: Fields = {}): Fields {
  const name = `iot-runbooks/RefusedPublishes/${thing}`;
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': 'CloudWatch Alarm State Change',
    source: 'aws.cloudwatch',
    account: '000000000000',
    time: '2026-11-24T12:00:01Z',
    region: 'eu-west-1',
    resources: [`arn:aws:cloudwatch:eu-west-1:000000000000:alarm:${name}`],
    detail: {
      alarmName: name,
      configuration: {
        metrics: [{ id: 'm', metricStat: { metric: { dimensions: { ThingName: thing } } } }],
      },
      state: {
        value: 'ALARM',
        reason: 'Threshold Crossed',
        timestamp: '2026-11-24T12:00:00.123+0000',
        ...state,
      },
    },
    ...changes,
  };
}

export const ALERT_STARTED = '2026-11-24T12:00:00.123456789Z';
export const alertLabels = (thing: string): Record<string, string> => ({
  alertname: 'IotRunbooksRefusedPublishes',
  thing,
});

export function alert(thing: string, changes: Fields = {}): Fields {
  return {
    status: 'firing',
    labels: alertLabels(thing),
    annotations: { summary: `${thing} is refused` },
    startsAt: ALERT_STARTED,
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://prometheus.example/graph',
    fingerprint: '1a30ba71cca2921f',
    ...changes,
  };
}

/** As Alertmanager posts a group. */
export function alertGroup(alerts: readonly Fields[], changes: Fields = {}): Fields {
  return {
    version: '4',
    groupKey: '{}:{alertname="IotRunbooksRefusedPublishes"}',
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'iot-runbooks',
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://alertmanager.example',
    alerts,
    ...changes,
  };
}

export function toolAlarm(thing: string, changes: Fields = {}, data: Fields = {}): Fields {
  return {
    type: 'alarm.firing',
    timestamp: '2026-11-24T12:00:00.123Z',
    data: {
      name: 'scanner/OpenTelnet',
      reason: 'port 23 answers',
      dimensions: { ThingName: thing },
      ...data,
    },
    ...changes,
  };
}
