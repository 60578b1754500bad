import { X509Certificate, createVerify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConfirmSubscriptionCommand,
  CreateTopicCommand,
  GetSubscriptionAttributesCommand,
  PublishCommand,
  SetTopicAttributesCommand,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { START_TIMEOUT_MS, clientsOf, eventually } from './support';

type Message = Record<string, string>;
interface Delivery {
  headers: IncomingHttpHeaders;
  body: string;
  message: Message;
}

/** Keeps what SNS posts; answers each post with the next of `statuses`, then with 200. */
async function startReceiver(statuses: number[] = []) {
  const deliveries: Delivery[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const message = body.startsWith('{') ? (JSON.parse(body) as Message) : {};
      deliveries.push({ headers: request.headers, body, message });
      response.statusCode =
        message['Type'] === 'SubscriptionConfirmation' ? 200 : (statuses.shift() ?? 200);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const next = (type: string, count = 1) =>
    eventually(() => {
      const found = deliveries.filter(({ message }) => message['Type'] === type);
      return Promise.resolve(found.length >= count ? found : undefined);
    });
  return { url: `http://127.0.0.1:${port}/hook`, deliveries, next, close: () => server.close() };
}

const SIGNED: Record<string, string[]> = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    ...['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
  ],
};

/** AWS's canonical string, checked with Node's crypto rather than with what signed it. */
function verifies(message: Message, certificate: string): boolean {
  const fields = (SIGNED[message['Type'] ?? ''] ?? []).filter((name) => name in message);
  const text = fields.map((name) => `${name}\n${message[name]}\n`).join('');
  return createVerify(message['SignatureVersion'] === '2' ? 'RSA-SHA256' : 'RSA-SHA1')
    .update(text)
    .verify(certificate, message['Signature'] ?? '', 'base64');
}

function download(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    }).on('error', reject);
  });
}

async function subscribe(emulator: Emulator, topic: string, url: string, version = '2') {
  const { sns } = clientsOf(emulator);
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: topic }));
  if (version === '2') {
    await sns.send(
      new SetTopicAttributesCommand({
        TopicArn,
        AttributeName: 'SignatureVersion',
        AttributeValue: '2',
      }),
    );
  }
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'http', Endpoint: url }));
  return TopicArn ?? '';
}

describe('SNS deliveries over HTTP', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ snsRetryDelayMs: 20 });
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  /** Subscribes, confirms by API, and publishes once. */
  async function publishTo(topic: string, url: string, version?: string) {
    const { sns } = clientsOf(emulator);
    const TopicArn = await subscribe(emulator, topic, url, version);
    return {
      TopicArn,
      publish: async (Token: string | undefined) => {
        const { SubscriptionArn } = await sns.send(
          new ConfirmSubscriptionCommand({ TopicArn, Token }),
        );
        await sns.send(new PublishCommand({ TopicArn, Message: 'on\nfire', Subject: 'ALARM' }));
        return SubscriptionArn ?? '';
      },
    };
  }

  it.each(['1', '2'])('are really signed, in version %s', async (version) => {
    const receiver = await startReceiver();
    const topic = await publishTo(`signed-${version}`, receiver.url, version);
    const [confirmation] = await receiver.next('SubscriptionConfirmation');
    await topic.publish(confirmation?.message['Token']);
    const [notification] = await receiver.next('Notification');
    const ca = readFileSync(emulator.sns.caFile, 'utf8');
    for (const delivery of [confirmation, notification]) {
      const message = delivery?.message ?? {};
      expect(message['SignatureVersion']).toBe(version);
      const certificate = await download(message['SigningCertURL'] ?? '', ca);
      expect(verifies(message, certificate)).toBe(true);
      expect(verifies({ ...message, Message: 'forged' }, certificate)).toBe(false);
    }
    receiver.close();
  });

  it('name a certificate at the pinned host and path, issued by the local authority', async () => {
    const receiver = await startReceiver();
    await subscribe(emulator, 'pinned', receiver.url);
    const [confirmation] = await receiver.next('SubscriptionConfirmation');
    const url = new URL(confirmation?.message['SigningCertURL'] ?? '');
    expect(url.protocol).toBe('https:');
    expect(url.host).toBe(emulator.sns.signingHost);
    expect(url.pathname).toMatch(/^\/SimpleNotificationService-[0-9a-f]{32}\.pem$/);
    const ca = readFileSync(emulator.sns.caFile, 'utf8');
    const certificate = new X509Certificate(await download(url.href, ca));
    expect(certificate.verify(new X509Certificate(ca).publicKey)).toBe(true);
    receiver.close();
  });

  it("carry AWS's headers", async () => {
    const receiver = await startReceiver();
    const topic = await publishTo('headers', receiver.url);
    const [confirmation] = await receiver.next('SubscriptionConfirmation');
    expect(confirmation?.headers).toMatchObject({
      'x-amz-sns-message-type': 'SubscriptionConfirmation',
      'x-amz-sns-message-id': confirmation?.message['MessageId'],
      'x-amz-sns-topic-arn': topic.TopicArn,
    });
    const subscriptionArn = await topic.publish(confirmation?.message['Token']);
    const [notification] = await receiver.next('Notification');
    expect(notification?.headers).toMatchObject({
      'content-type': 'text/plain; charset=UTF-8',
      'x-amz-sns-message-type': 'Notification',
      'x-amz-sns-message-id': notification?.message['MessageId'],
      'x-amz-sns-topic-arn': topic.TopicArn,
      'x-amz-sns-subscription-arn': subscriptionArn,
    });
    expect(notification?.message).toMatchObject({ Subject: 'ALARM', Message: 'on\nfire' });
    expect(notification?.message['UnsubscribeURL']).toContain(subscriptionArn);
    receiver.close();
  });

  it('wait for a confirmation, and ConfirmSubscription gives it', async () => {
    const receiver = await startReceiver();
    const { sns } = clientsOf(emulator);
    const topic = await publishTo('confirmed', receiver.url);
    const [confirmation] = await receiver.next('SubscriptionConfirmation');
    await sns.send(new PublishCommand({ TopicArn: topic.TopicArn, Message: 'too early' }));
    const SubscriptionArn = await topic.publish(confirmation?.message['Token']);
    const notifications = await receiver.next('Notification');
    expect(notifications.map(({ message }) => message['Message'])).toEqual(['on\nfire']);
    const { Attributes } = await sns.send(
      new GetSubscriptionAttributesCommand({ SubscriptionArn }),
    );
    expect(Attributes?.['PendingConfirmation']).toBe('false');
    receiver.close();
  });

  it.each([
    ['tried again on 5xx and 429, with the same message id', [500, 503, 429], 4],
    ['given up after three retries', [500, 500, 500, 500, 500], 4],
    ['not tried again on 4xx', [400], 1],
  ])('are %s', async (_outcome, statuses, attempts) => {
    const receiver = await startReceiver([...statuses]);
    const topic = await publishTo(`retried-${statuses.join('-')}`, receiver.url);
    const [confirmation] = await receiver.next('SubscriptionConfirmation');
    await topic.publish(confirmation?.message['Token']);
    await receiver.next('Notification', attempts);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const notifications = await receiver.next('Notification', attempts);
    expect(notifications).toHaveLength(attempts);
    expect(new Set(notifications.map(({ message }) => message['MessageId'])).size).toBe(1);
    receiver.close();
  });
});

describe('sns_delivery is still needed: the stock emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ withoutPatches: ['sns_delivery'] });
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('signs nothing', async () => {
    const receiver = await startReceiver();
    await subscribe(emulator, 'stock', receiver.url);
    const [confirmation] = await receiver.next('SubscriptionConfirmation');
    expect(confirmation?.message['Signature']).toBe('FAKE');
    receiver.close();
  });
});
