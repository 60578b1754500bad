import { createHash } from 'node:crypto';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { httpsGet } from '../../../../triggers/webhook/sns/https-get';
import { createSigningCertificates } from '../../../../triggers/webhook/sns/signing-certificates';
import {
  createSnsVerifier,
  type SnsVerifier,
  type Verification,
} from '../../../../triggers/webhook/sns/verifier';
import { createCertificate } from '../../../support/certificates';
import {
  CERTIFICATE_PATH,
  signed,
  startTestSns,
  TOPIC,
  type SnsFields,
  type TestSns,
} from '../../../support/sns';

const HOUR_MS = 3_600_000;
let sns: TestSns;
let verifier: SnsVerifier;
let outbound: string[];

beforeAll(async () => {
  sns = await startTestSns();
});
afterAll(() => sns.close());

function verifierFor(signingHost: string, maxFetchesPerMinute = 1_000): SnsVerifier {
  return createSnsVerifier({
    topics: [{ arn: TOPIC, region: 'eu-west-1', signingHost }],
    certificates: createSigningCertificates({
      maxFetchesPerMinute,
      fetch: (host, path) => {
        outbound.push(`https://${host}${path}`);
        return httpsGet({ host, path, ca: sns.caPem, timeoutMs: 2_000, maxBytes: 16_384 });
      },
    }),
  });
}
beforeEach(() => {
  outbound = [];
  verifier = verifierFor(sns.host);
});

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const verify = (value: unknown): Promise<Verification> => verifier.verify(bytes(value));
const url = (): string => `https://${sns.host}${CERTIFICATE_PATH}`;
const resign = (fields: SnsFields, certificateUrl = url()): SnsFields =>
  signed(fields, { key: sns.signer.privateKey, url: certificateUrl });

describe('a genuine message', () => {
  it.each<[string, () => SnsFields]>([
    ['notification', () => sns.notification()],
    ['notification without a subject', () => sns.notification({ Subject: undefined })],
    [
      'notification with every kind of letter',
      () => sns.notification({ Message: 'é\n"漢"\u{1f600}\\' }),
    ],
    [
      'notification with attributes',
      () => ({ ...sns.notification(), MessageAttributes: { a: { Type: 'String', Value: 'b' } } }),
    ],
    ['subscription confirmation', () => sns.confirmation('SubscriptionConfirmation')],
    ['unsubscribe confirmation', () => sns.confirmation('UnsubscribeConfirmation')],
    [
      'notification of almost an hour ago',
      () => sns.notification({ Timestamp: new Date(Date.now() - HOUR_MS + 60_000).toISOString() }),
    ],
  ])('is accepted: %s', async (_case, make) => {
    const text = JSON.stringify(make());
    expect(await verify(text)).toEqual({
      ok: true,
      message: JSON.parse(text) as unknown,
      topic: { arn: TOPIC, region: 'eu-west-1', signingHost: sns.host },
    });
  });

  it('is accepted in pretty-printed JSON too', async () => {
    expect(await verify(JSON.stringify(sns.notification(), null, 2))).toMatchObject({ ok: true });
  });

  it('costs one fetch of the certificate, also when many arrive at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => verify(sns.notification())));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(50);
    expect(outbound).toEqual([url()]);
  });
});

describe('a forged message', () => {
  const edits = ['Message', 'MessageId', 'Subject', 'Timestamp'] as const;
  it.each(edits)('is refused when its %s was edited after signing', async (field) => {
    const message = sns.notification();
    const edited = field === 'Timestamp' ? new Date(Date.now() - 1_000).toISOString() : 'edited';
    expect(await verify({ ...message, [field]: edited })).toEqual({
      ok: false,
      problem: 'signatureInvalid',
    });
    expect(await verify(message)).toMatchObject({ ok: true });
  });

  it.each(['Token', 'SubscribeURL', 'MessageId'])(
    'is refused when the %s of a confirmation was edited',
    async (field) => {
      const message = sns.confirmation('SubscriptionConfirmation');
      expect(await verify({ ...message, [field]: 'edited' })).toEqual({
        ok: false,
        problem: 'signatureInvalid',
      });
      expect(await verify(message)).toMatchObject({ ok: true });
    },
  );

  it('is refused when one kind of confirmation is passed off as the other', async () => {
    const message = sns.confirmation('UnsubscribeConfirmation');
    expect(await verify({ ...message, Type: 'SubscriptionConfirmation' })).toEqual({
      ok: false,
      problem: 'signatureInvalid',
    });
  });

  it.each<[string, () => unknown]>([
    [
      'signed by another key',
      () =>
        signed(sns.notification(), {
          key: createCertificate({ name: 'x' }).privateKey,
          url: url(),
        }),
    ],
    ['without a real signature', () => ({ ...sns.notification(), Signature: 'RkFLRQ==' })],
    ['that lost its subject', () => ({ ...sns.notification(), Subject: undefined })],
    [
      'signed over SHA-1 and called version 2',
      () => ({
        ...signed(sns.notification(), { key: sns.signer.privateKey, url: url(), version: '1' }),
        SignatureVersion: '2',
      }),
    ],
  ])('%s is refused for its signature', async (_case, make) => {
    expect(await verify(make())).toEqual({ ok: false, problem: 'signatureInvalid' });
  });

  it.each(['1', '3', '', '02', ' 2'])(
    'of signature version %j is refused without a fetch',
    async (version) => {
      const message = signed(sns.notification(), {
        key: sns.signer.privateKey,
        url: url(),
        version: '1',
      });
      expect(await verify({ ...message, SignatureVersion: version })).toEqual({
        ok: false,
        problem: 'signatureVersionNotAllowed',
      });
      expect(outbound).toEqual([]);
    },
  );

  it.each([
    'arn:aws:sns:eu-west-1:111111111111:iot-runbooks-alarms',
    `${TOPIC}2`,
    TOPIC.toUpperCase(),
    ` ${TOPIC}`,
    'constructor',
  ])('of the topic %s is refused without a fetch', async (arn) => {
    expect(await verify(sns.notification({ TopicArn: arn }))).toEqual({
      ok: false,
      problem: 'topicNotAllowed',
    });
    expect(outbound).toEqual([]);
  });

  it.each([
    ['an hour and a minute ago', -HOUR_MS - 60_000],
    ['a year ago', -365 * 24 * HOUR_MS],
    ['in an hour and a minute', HOUR_MS + 60_000],
  ])('signed %s is refused without a fetch', async (_case, offset) => {
    const at = new Date(Date.now() + offset).toISOString();
    expect(await verify(sns.notification({ Timestamp: at }))).toEqual({
      ok: false,
      problem: 'timestampOutOfRange',
    });
    expect(outbound).toEqual([]);
  });
});

describe('the certificate address', () => {
  const PINNED = 'sns.eu-west-1.amazonaws.com';
  const path = CERTIFICATE_PATH;
  const wrong = [
    `http://${PINNED}${path}`,
    `HTTPS://${PINNED}${path}`,
    `https://SNS.eu-west-1.amazonaws.com${path}`,
    `https://sns.eu-west-2.amazonaws.com${path}`,
    `https://sns.s3-ap-southeast-2.amazonaws.com${path}`,
    `https://sns.execute-api.amazonaws.com${path}`,
    `https://sns.eu-west-1.amazonaws.com.evil.example${path}`,
    `https://sns.eu-west-1.amazonaws.com.${path}`,
    `https://evil-sns.eu-west-1.amazonaws.com${path}`,
    `https://snsxeu-west-1.amazonaws.com${path}`,
    `https://sns.eu-west-1.amazonaws.com.cn${path}`,
    `https://bucket.s3.amazonaws.com${path}`,
    `https://s3.amazonaws.com/sns.eu-west-1.amazonaws.com${path}`,
    `https://${PINNED}@evil.example${path}`,
    `https://user:word@${PINNED}${path}`,
    `https://@${PINNED}${path}`,
    `https://${PINNED}:443${path}`,
    `https://${PINNED}:8443${path}`,
    `https://${PINNED}\\@evil.example${path}`,
    `https://evil.example/https://${PINNED}${path}`,
    `https://127.0.0.1${path}`,
    `https://[::1]${path}`,
    `https://ѕns.eu-west-1.amazonaws.com${path}`,
    `https://${PINNED}`,
    `https://${PINNED}/`,
    `https://${PINNED}//${path}`,
    `https://${PINNED}/x${path}`,
    `https://${PINNED}/SimpleNotificationService/../x.pem`,
    `https://${PINNED}/SimpleNotificationService-.pem`,
    `https://${PINNED}/SimpleNotificationService-a/b.pem`,
    `https://${PINNED}/SimpleNotificationService-a%2fb.pem`,
    `https://${PINNED}/SimpleNotificationService-abc.pem.evil`,
    `https://${PINNED}/SimpleNotificationService-abcXpem`,
    `https://${PINNED}/simplenotificationservice-abc.pem`,
    `https://${PINNED}${path}?a=b`,
    `https://${PINNED}${path}?`,
    `https://${PINNED}${path}#a`,
    `https://${PINNED}${path}\n`,
    `https://${PINNED}${path} `,
    ` https://${PINNED}${path}`,
    `file:///etc${path}`,
    `//${PINNED}${path}`,
    'x',
  ];

  it.each(wrong)('%j is refused before anything is asked for', async (address) => {
    verifier = verifierFor(PINNED);
    expect(await verify(resign(sns.notification(), address))).toEqual({
      ok: false,
      problem: 'certificateUrlNotAllowed',
    });
    expect(outbound).toEqual([]);
  });

  it.each([path, '/SimpleNotificationService.pem', '/SimpleNotificationService-aZ09.pem'])(
    'of the pinned host is asked for: %s',
    async (allowed) => {
      sns.serve(allowed, (response) => void response.end(sns.signer.certificatePem));
      const address = `https://${sns.host}${allowed}`;
      expect(await verify(resign(sns.notification(), address))).toMatchObject({ ok: true });
      expect(outbound).toEqual([address]);
    },
  );
});

describe('the certificate', () => {
  const issue = (changes: Partial<Parameters<typeof createCertificate>[0]>) =>
    createCertificate({ name: 'sns.amazonaws.com', ...changes });
  const expired = issue({ notAfter: new Date(Date.now() - 60_000) });
  const future = issue({ notBefore: new Date(Date.now() + 60_000) });
  const short = issue({ modulusLength: 1024 });

  it.each([
    ['is out of date', expired],
    ['is not yet valid', future],
    ['has a short key', short],
  ])('that %s proves nothing', async (_case, certificate) => {
    const at = `/SimpleNotificationService-${createHash('sha1').update(certificate.certificatePem).digest('hex')}.pem`;
    sns.serve(at, (response) => void response.end(certificate.certificatePem));
    const message = signed(sns.notification(), {
      key: certificate.privateKey,
      url: `https://${sns.host}${at}`,
    });
    expect(await verify(message)).toEqual({ ok: false, problem: 'certificateUnknown' });
  });

  it.each<[string, Parameters<TestSns['serve']>[1], string]>([
    ['missing', (response) => void response.writeHead(404).end(), 'certificateUnknown'],
    ['not a certificate', (response) => void response.end('hello'), 'certificateUnknown'],
    ['empty', (response) => void response.end(), 'certificateUnknown'],
    ['too large', (response) => void response.end('x'.repeat(1_000_000)), 'certificateUnknown'],
    [
      'elsewhere',
      (response) => void response.writeHead(302, { location: url() }).end(),
      'certificateUnknown',
    ],
    ['failing', (response) => void response.writeHead(500).end(), 'certificateUnavailable'],
    ['never finished', (response) => void response.write('-----BEGIN'), 'certificateUnavailable'],
    ['cut off', (response) => void response.socket?.destroy(), 'certificateUnavailable'],
  ])('that is %s is %s', async (name, answer, problem) => {
    const at = `/SimpleNotificationService-bad${name.replace(/ /g, '')}.pem`;
    sns.serve(at, answer);
    expect(await verify(resign(sns.notification(), `https://${sns.host}${at}`))).toEqual({
      ok: false,
      problem,
    });
    expect(await verify(sns.notification())).toMatchObject({ ok: true });
  });

  it('of a host that another authority vouches for is not taken', async () => {
    const other = await startTestSns();
    try {
      verifier = verifierFor(other.host);
      expect(await verify(other.notification())).toEqual({
        ok: false,
        problem: 'certificateUnavailable',
      });
    } finally {
      await other.close();
    }
  });

  it('of made-up names is asked for only so often, and the good one stays known', async () => {
    verifier = verifierFor(sns.host, 5);
    expect(await verify(sns.notification())).toMatchObject({ ok: true });
    const problems: string[] = [];
    for (let index = 0; index < 200; index += 1) {
      const address = `https://${sns.host}/SimpleNotificationService-made${index % 100}.pem`;
      const answer = await verify(resign(sns.notification(), address));
      if (!answer.ok) problems.push(answer.problem);
    }
    expect(problems.filter((problem) => problem === 'certificateBusy')).toHaveLength(192);
    expect(outbound).toHaveLength(5);
    expect(await verify(sns.notification())).toMatchObject({ ok: true });
  });
});

describe('bytes that are no message', () => {
  const good = () => sns.notification();
  it.each<[string, () => unknown]>([
    ['nothing', () => ''],
    ['null', () => 'null'],
    ['a number', () => '7'],
    ['a string', () => '"x"'],
    ['a list', () => [good()]],
    ['an empty object', () => ({})],
    ['cut-off JSON', () => JSON.stringify(good()).slice(0, -1)],
    ['deep lists', () => '['.repeat(120_000)],
    ['deep closed lists', () => '['.repeat(60_000) + ']'.repeat(60_000)],
    [
      'a deep extra field',
      () => JSON.stringify(good()).replace('{', `{"x":${'['.repeat(50_000)}${']'.repeat(50_000)},`),
    ],
    ['an extra field', () => ({ ...good(), Extra: 'x' })],
    ['an own __proto__', () => JSON.stringify(good()).replace('{', '{"__proto__":{"x":"y"},')],
    [
      'a name twice',
      () => JSON.stringify(good()).replace('{', '{"Type":"UnsubscribeConfirmation",'),
    ],
    [
      'a name twice with the same value',
      () => JSON.stringify(good()).replace('{', '{"Type":"Notification",'),
    ],
    [
      'a name twice, escaped',
      () => JSON.stringify(good()).replace('{', '{"\\u0054ype":"Notification",'),
    ],
    ['a name twice, first a number', () => JSON.stringify(good()).replace('{', '{"Type":1,')],
    ['an unknown type', () => ({ ...good(), Type: 'Other' })],
    ['a null certificate address', () => ({ ...good(), SigningCertURL: null })],
    ['a number as certificate address', () => ({ ...good(), SigningCertURL: 7 })],
    ['a missing certificate address', () => ({ ...good(), SigningCertURL: undefined })],
    ['an empty certificate address', () => ({ ...good(), SigningCertURL: '' })],
    [
      'a huge certificate address',
      () => ({ ...good(), SigningCertURL: 'https://'.repeat(10_000) }),
    ],
    ['a message as an object', () => ({ ...good(), Message: {} })],
    ['a version as a number', () => ({ ...good(), SignatureVersion: 2 })],
    ['a signature that is not base64', () => ({ ...good(), Signature: '!!!!' })],
    ['a huge signature', () => ({ ...good(), Signature: 'A'.repeat(10_000) })],
    ['a time that is not ISO', () => ({ ...good(), Timestamp: 'yesterday' })],
    ['a time as a number', () => ({ ...good(), Timestamp: Date.now() })],
    [
      'a confirmation without its token',
      () => ({ ...sns.confirmation('SubscriptionConfirmation'), Token: undefined }),
    ],
  ])('are malformed: %s', async (_case, make) => {
    expect(await verify(make())).toEqual({ ok: false, problem: 'malformed' });
    expect(outbound).toEqual([]);
  });

  it('are malformed where they are not UTF-8', async () => {
    const raw = bytes(sns.notification());
    raw[raw.indexOf('pump')] = 0xff;
    expect(await verifier.verify(raw)).toEqual({ ok: false, problem: 'malformed' });
  });
});
