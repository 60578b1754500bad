import { randomUUID, type KeyObject } from 'node:crypto';

import { alarmMessage, signed, type SnsFields } from '../support/sns';

export interface HostileRequest {
  kind: string;
  contentType: string;
  body: string | Buffer;
}

export interface Signing {
  key: KeyObject;
  url: string;
  topicArn: string;
}

export type Random = () => number;

/** Mulberry32: the same numbers for the same seed. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const pick = <Item>(random: Random, items: readonly [Item, ...Item[]]): Item =>
  items[Math.floor(random() * items.length)] ?? items[0];

/** A notification of an alarm that is truly in ALARM, signed. */
export function validMessage(signing: Signing, thing: string, fields: SnsFields = {}): SnsFields {
  return signed(
    {
      Type: 'Notification',
      MessageId: randomUUID(),
      TopicArn: signing.topicArn,
      Message: JSON.stringify(alarmMessage(thing)),
      Timestamp: new Date().toISOString(),
      ...fields,
    },
    signing,
  );
}

const URLS = [
  'http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a.pem',
  'https://sns.s3-ap-southeast-2.amazonaws.com/SimpleNotificationService-a.pem',
  'https://sns.execute-api.amazonaws.com/SimpleNotificationService-a.pem',
  'https://169.254.169.254/SimpleNotificationService-a.pem',
  'https://localhost:1/SimpleNotificationService-a.pem',
  'file:///etc/passwd',
  '',
] as const;
const JUNK: readonly [unknown, ...unknown[]] = [
  null,
  7,
  true,
  [],
  {},
  '',
  ['x'],
  { a: 'b' },
  'x'.repeat(5_000),
];
const FIELDS = [
  'Type',
  'MessageId',
  'TopicArn',
  'Message',
  'Timestamp',
  'SignatureVersion',
  'Signature',
  'SigningCertURL',
] as const;
const SIGNED = ['MessageId', 'Message', 'Timestamp'] as const;

type Make = (random: Random, good: SnsFields, signing: Signing) => unknown;

/** Each makes one wrong request out of a good message that was never sent. */
const KINDS: Record<string, Make> = {
  mistypedField: (random, good) => ({ ...good, [pick(random, FIELDS)]: pick(random, JUNK) }),
  missingField: (random, good) => ({ ...good, [pick(random, FIELDS)]: undefined }),
  editedField: (random, good) => {
    const field = pick(random, SIGNED);
    const text = String(good[field]);
    const edited =
      field === 'Timestamp'
        ? new Date(Date.now() - Math.floor(1 + random() * 1e6)).toISOString()
        : `${text}1`;
    return { ...good, [field]: edited };
  },
  flippedSignature: (random, good) => {
    const bytes = Buffer.from(String(good['Signature']), 'base64');
    const index = Math.floor(random() * bytes.length);
    bytes[index] = (bytes[index] ?? 0) ^ (1 << Math.floor(random() * 8));
    return { ...good, Signature: bytes.toString('base64') };
  },
  otherCertificate: (random, good) => ({ ...good, SigningCertURL: pick(random, URLS) }),
  madeUpCertificate: (random, good, { url }) => ({
    ...good,
    SigningCertURL: url.replace(/-[^-]*\.pem$/, `-${Math.floor(random() * 1e9).toString(36)}.pem`),
  }),
  certificateUserInfo: (_random, good, { url }) => ({
    ...good,
    SigningCertURL: url.replace('https://', 'https://x@'),
  }),
  otherTopic: (random, good, { topicArn }) => ({
    ...good,
    TopicArn: `${topicArn}${Math.floor(random() * 100)}`,
  }),
  otherVersion: (random, good) => ({
    ...good,
    SignatureVersion: pick(random, ['1', '3', '', '2 ']),
  }),
  stale: (random, good) => ({
    ...good,
    Timestamp: new Date(
      Date.now() + pick(random, [-1, 1]) * (3_700_000 + random() * 1e9),
    ).toISOString(),
  }),
  extraField: (random, good) => ({
    ...good,
    [`x${Math.floor(random() * 1e6)}`]: pick(random, JUNK),
  }),
  otherType: (random, good) => ({
    ...good,
    Type: pick(random, ['SubscriptionConfirmation', 'UnsubscribeConfirmation', 'X']),
    Token: 'x',
    SubscribeURL: 'https://evil.example/',
  }),
  fieldTwice: (_random, good) => JSON.stringify(good).replace('{', `{"Message":"x",`),
  cutOff: (random, good) => {
    const text = JSON.stringify(good);
    return text.slice(0, Math.floor(random() * text.length));
  },
  deep: (random) => '['.repeat(1 + Math.floor(random() * 50_000)),
  noise: (random) =>
    Buffer.from(
      Array.from({ length: Math.floor(random() * 500) }, () => Math.floor(random() * 256)),
    ),
  oversized: (random) => 'x'.repeat(262_145 + Math.floor(random() * 10_000)),
  plainJson: (random) => JSON.stringify(pick(random, JUNK)),
};
const KIND_NAMES = Object.keys(KINDS) as [string, ...string[]];
const CONTENT_TYPES = ['text/plain; charset=UTF-8', 'text/plain', 'application/json'] as const;
const ODD_CONTENT_TYPES = ['application/xml', 'x', 'multipart/form-data'] as const;

/** One request that must start nothing. Oversized ones are rarer: they cost the most. */
export function hostileRequest(random: Random, good: SnsFields, signing: Signing): HostileRequest {
  let kind = pick(random, KIND_NAMES);
  if (kind === 'oversized' && random() > 0.1) kind = 'noise';
  const made = KINDS[kind]?.(random, good, signing);
  const body = typeof made === 'string' || Buffer.isBuffer(made) ? made : JSON.stringify(made);
  const types = random() < 0.95 ? CONTENT_TYPES : ODD_CONTENT_TYPES;
  return { kind, contentType: pick(random, types), body };
}

/** Signed by the true key and still untrue: nothing at CloudWatch bears them out. */
export const UNTRUE: Record<string, (thing: string) => SnsFields> = {
  unknownAlarm: () => alarmMessage('no-such-thing'),
  otherThing: (thing) =>
    alarmMessage(thing, { Trigger: { Dimensions: [{ name: 'ThingName', value: 'victim' }] } }),
  otherArn: (thing) => alarmMessage(thing, { AlarmArn: 'arn:aws:cloudwatch:eu-west-1:1:alarm:x' }),
  noRoute: (thing) => alarmMessage(thing, { AlarmName: 'CPU' }),
  everyThing: (thing) =>
    alarmMessage(thing, { Trigger: { Dimensions: [{ name: 'ThingName', value: '*' }] } }),
  isOk: (thing) => alarmMessage(thing, { NewStateValue: 'OK' }),
};
