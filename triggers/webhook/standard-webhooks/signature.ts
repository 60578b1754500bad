import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The sender's clock and ours may differ by so much; it is also how long a message can be replayed. */
export const TOLERANCE_MS = 5 * 60_000;
const PREFIX = 'whsec_';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** What the specification asks for. */
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;

/** Dots part the signed text, so an id with one could be read in two ways. */
const ID = /^[A-Za-z0-9_:-]{1,128}$/;
const SECONDS = /^\d{1,12}$/;
const SIGNATURE = /^v1,([A-Za-z0-9+/]{43}=)$/;
const MAX_SIGNATURES = 10;

export interface SignatureHeaders {
  id: string;
  /** Unix time in seconds, as it was signed. */
  timestamp: string;
  signatures: Buffer[];
}

/** The key that a `whsec_…` text holds; null for anything else. */
export function readSecret(text: string): Buffer | null {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : '';
  if (!BASE64.test(encoded)) return null;
  const key = Buffer.from(encoded, 'base64');
  return key.length < MIN_SECRET_BYTES || key.length > MAX_SECRET_BYTES ? null : key;
}

/** Signatures of other versions are passed over, as the specification has it; null without one of ours. */
export function readHeaders(headers: IncomingHttpHeaders): SignatureHeaders | null {
  const {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signature,
  } = headers;
  if (typeof id !== 'string' || !ID.test(id)) return null;
  if (typeof timestamp !== 'string' || !SECONDS.test(timestamp)) return null;
  if (typeof signature !== 'string') return null;
  const signatures = signature
    .split(' ')
    .slice(0, MAX_SIGNATURES)
    .flatMap((each) => SIGNATURE.exec(each)?.[1] ?? [])
    .map((encoded) => Buffer.from(encoded, 'base64'));
  return signatures.length === 0 ? null : { id, timestamp, signatures };
}

export const isInTime = ({ timestamp }: SignatureHeaders, now: number): boolean =>
  Math.abs(now - Number(timestamp) * 1_000) <= TOLERANCE_MS;

/**
 * Over the bytes as they came: the `standardwebhooks` package decodes them first, which makes all bytes that are not
 * UTF-8 alike. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function isSigned(
  { id, timestamp, signatures }: SignatureHeaders,
  raw: Uint8Array,
  secrets: readonly Uint8Array[],
): boolean {
  return secrets
    .map((secret) => createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(raw))
    .map((hmac) => hmac.digest())
    .some((expected) => signatures.some((given) => timingSafeEqual(given, expected)));
}
