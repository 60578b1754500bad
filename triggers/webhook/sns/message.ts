import { z } from 'zod';

/** What SNS posts, as this service takes it: nothing but the documented fields, all bounded. */
const common = {
  MessageId: z.string().regex(/^[A-Za-z0-9-]{1,100}$/),
  TopicArn: z.string().min(1).max(512),
  Message: z.string(),
  Timestamp: z.iso.datetime(),
  SignatureVersion: z.string().max(8),
  Signature: z.string().regex(/^[A-Za-z0-9+/]{4,1368}={0,2}$/),
  SigningCertURL: z.string().min(1).max(256),
};
const confirmation = {
  ...common,
  // AWS's are hexadecimal; what its API can't take would look like an outage.
  Token: z.string().regex(/^[\w.:=+/-]{1,2048}$/),
  SubscribeURL: z.string().min(1).max(4096),
};
const attribute = z.strictObject({ Type: z.string().max(256), Value: z.string() });

/** https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html and the two pages beside it. */
export const snsMessage = z.discriminatedUnion('Type', [
  z.strictObject({
    ...common,
    Type: z.literal('Notification'),
    Subject: z.string().max(1024).optional(),
    UnsubscribeURL: z.string().max(4096).optional(),
    MessageAttributes: z.record(z.string().max(256), attribute).optional(),
  }),
  z.strictObject({ ...confirmation, Type: z.literal('SubscriptionConfirmation') }),
  z.strictObject({ ...confirmation, Type: z.literal('UnsubscribeConfirmation') }),
]);
export type SnsMessage = z.infer<typeof snsMessage>;
export type SnsNotification = Extract<SnsMessage, { Type: 'Notification' }>;
export type SnsConfirmation = Exclude<SnsMessage, { Type: 'Notification' }>;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The message, or null for anything else; never throws. */
export function parseSnsMessage(raw: Uint8Array): SnsMessage | null {
  try {
    const text = utf8.decode(raw);
    const parsed = snsMessage.safeParse(JSON.parse(text));
    if (!parsed.success || namesFieldTwice(text, parsed.data)) return null;
    return parsed.data;
  } catch {
    return null;
  }
}

/**
 * JSON.parse keeps the last of two equal names; another reader of the same bytes might keep the first.
 * Every name and string of the text must therefore have come through. The schema has bounded the depth.
 */
function namesFieldTwice(text: string, message: SnsMessage): boolean {
  const written = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"/g)?.length ?? 0;
  return written !== countStrings(message);
}

function countStrings(value: unknown): number {
  if (typeof value === 'string') return 1;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + 1 + countStrings(each), 0);
}

const NOTIFICATION_FIELDS = [
  'Message',
  'MessageId',
  'Subject',
  'Timestamp',
  'TopicArn',
  'Type',
] as const;
const CONFIRMATION_FIELDS = [
  'Message',
  'MessageId',
  'SubscribeURL',
  'Timestamp',
  'Token',
  'TopicArn',
  'Type',
] as const;

/**
 * The text that SNS signs: names and values of these fields, each on a line of its own, absent ones left out.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
 */
export function signedText(message: SnsMessage): string {
  const pairs =
    message.Type === 'Notification'
      ? NOTIFICATION_FIELDS.map((name) => [name, message[name]] as const)
      : CONFIRMATION_FIELDS.map((name) => [name, message[name]] as const);
  return pairs.map(([name, value]) => (value === undefined ? '' : `${name}\n${value}\n`)).join('');
}
