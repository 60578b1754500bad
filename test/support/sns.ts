import { randomUUID, sign, type KeyObject } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ServerResponse } from 'node:http';

import { createCertificate, type TestCertificate } from './certificates';

export const TOPIC = 'arn:aws:sns:eu-west-1:000000000000:iot-runbooks-alarms';
export const CERTIFICATE_PATH = '/SimpleNotificationService-0123456789abcdef.pem';

export type SnsFields = Record<string, unknown>;

/** An SNS of its own: an authority, a signing key and a TLS server with the certificates. */
export interface TestSns {
  /** `localhost:PORT`. */
  host: string;
  caPem: string;
  signer: TestCertificate;
  /** Paths asked for so far. */
  requests: string[];
  /** Signed as AWS does; fields may be set or, with undefined, left out before signing. */
  notification(fields?: SnsFields): SnsFields;
  confirmation(type: string, fields?: SnsFields): SnsFields;
  /** Adds or replaces what is served under a path. */
  serve(path: string, answer: (response: ServerResponse) => void): void;
  close(): Promise<void>;
}

export async function startTestSns(): Promise<TestSns> {
  const ca = createCertificate({ name: 'Test SNS CA', ca: true });
  const issuer = { name: 'Test SNS CA', privateKey: ca.privateKey };
  const tls = createCertificate({ name: 'localhost', issuer, hosts: ['localhost'] });
  const signer = createCertificate({ name: 'sns.amazonaws.com', issuer });
  const requests: string[] = [];
  const answers = new Map<string, (response: ServerResponse) => void>();
  const server = createServer(
    { key: tls.privateKeyPem, cert: tls.certificatePem },
    (request, response) => {
      requests.push(request.url ?? '');
      const answer = answers.get(request.url ?? '');
      if (answer === undefined) response.writeHead(404).end();
      else answer(response);
    },
  );
  answers.set(CERTIFICATE_PATH, (response) => void response.end(signer.certificatePem));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  const signing = { key: signer.privateKey, url: `https://${host}${CERTIFICATE_PATH}` };
  return {
    host,
    caPem: ca.certificatePem,
    signer,
    requests,
    notification: (fields = {}) => signed({ ...notificationFields(), ...fields }, signing),
    confirmation: (type, fields = {}) =>
      signed({ ...confirmationFields(type), ...fields }, signing),
    serve: (path, answer) => void answers.set(path, answer),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export function notificationFields(): SnsFields {
  return {
    Type: 'Notification',
    MessageId: randomUUID(),
    TopicArn: TOPIC,
    Subject: 'ALARM: "iot-runbooks/RefusedPublishes/pump-7" in EU (Ireland)',
    Message: JSON.stringify(alarmMessage('pump-7')),
    Timestamp: new Date().toISOString(),
    UnsubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x',
  };
}

export function confirmationFields(type: string): SnsFields {
  return {
    Type: type,
    MessageId: randomUUID(),
    Token: 'token-1',
    TopicArn: TOPIC,
    Message: 'You have chosen to subscribe to the topic.',
    SubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription',
    Timestamp: new Date().toISOString(),
  };
}

/** As CloudWatch writes it to SNS; only what differs from alarm to alarm is a parameter. */
export function alarmMessage(thing: string, changes: SnsFields = {}): SnsFields {
  const name = `iot-runbooks/RefusedPublishes/${thing}`;
  return {
    AlarmName: name,
    AlarmDescription: null,
    AWSAccountId: '000000000000',
    NewStateValue: 'ALARM',
    NewStateReason: 'Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (5.0).',
    StateChangeTime: '2026-11-24T12:00:00.123+0000',
    Region: 'EU (Ireland)',
    AlarmArn: `arn:aws:cloudwatch:eu-west-1:000000000000:alarm:${name}`,
    OldStateValue: 'OK',
    Trigger: {
      MetricName: 'RefusedPublishes',
      Namespace: 'IotRunbooks/Device',
      StatisticType: 'Statistic',
      Statistic: 'SUM',
      Unit: null,
      Dimensions: [{ value: thing, name: 'ThingName' }],
      Period: 10,
    },
    ...changes,
  };
}

const SIGNED_FIELDS: Record<string, string[]> = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
  UnsubscribeConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
};

/** Written apart from the code under test, after AWS's page, so that a mistake there is not repeated here. */
export function signed(
  fields: SnsFields,
  by: { key: KeyObject; url: string; version?: string },
): SnsFields {
  const version = by.version ?? '2';
  const names = SIGNED_FIELDS[String(fields['Type'])] ?? [];
  const text = names
    .filter((name) => fields[name] !== undefined)
    .map((name) => `${name}\n${String(fields[name])}\n`)
    .join('');
  const signature = sign(version === '1' ? 'sha1' : 'sha256', Buffer.from(text, 'utf8'), by.key);
  return {
    ...fields,
    SignatureVersion: version,
    Signature: signature.toString('base64'),
    SigningCertURL: by.url,
  };
}
