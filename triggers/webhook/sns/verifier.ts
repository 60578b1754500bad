import { verify as verifySignature, type KeyObject } from 'node:crypto';

import type { CertificateProblem, SigningCertificates } from './signing-certificates';
import { parseSnsMessage, signedText, type SnsMessage } from './message';

export interface AllowedTopic {
  arn: string;
  region: string;
  /** The only host, port included where it is not 443, that this topic's certificates come from. */
  signingHost: string;
}

export type VerificationProblem =
  | 'malformed'
  | 'signatureVersionNotAllowed'
  | 'topicNotAllowed'
  | 'timestampOutOfRange'
  | 'certificateUrlNotAllowed'
  | 'signatureInvalid'
  | CertificateProblem;

export type Verification =
  | { ok: true; message: SnsMessage; topic: AllowedTopic }
  | { ok: false; problem: VerificationProblem };

export interface SnsVerifier {
  /** Takes the raw body. Never throws: every outcome is a result. */
  verify(raw: Uint8Array): Promise<Verification>;
}

export interface SnsVerifierOptions {
  topics: readonly AllowedTopic[];
  certificates: SigningCertificates;
  now?: () => number;
}

/** Signatures do not expire; SNS retries for an hour at most. */
export const MAX_AGE_MS = 3_600_000;
const CERTIFICATE_PATH = /^\/SimpleNotificationService(-[A-Za-z0-9]+)?\.pem$/;

/**
 * Verifies that bytes are a message of an allowed topic, signed by SNS with SHA-256 within the last hour.
 * The signing certificate is asked for only after every check that costs nothing.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
 */
export function createSnsVerifier(options: SnsVerifierOptions): SnsVerifier {
  const topics = new Map(options.topics.map((topic) => [topic.arn, topic]));
  const now = options.now ?? Date.now;
  return {
    async verify(raw) {
      const message = parseSnsMessage(raw);
      if (message === null) return refuse('malformed');
      if (message.SignatureVersion !== '2') return refuse('signatureVersionNotAllowed');
      const topic = topics.get(message.TopicArn);
      if (topic === undefined) return refuse('topicNotAllowed');
      if (Math.abs(now() - Date.parse(message.Timestamp)) > MAX_AGE_MS) {
        return refuse('timestampOutOfRange');
      }
      const path = certificatePath(message.SigningCertURL, topic.signingHost);
      if (path === null) return refuse('certificateUrlNotAllowed');
      const certificate = await options.certificates.get(topic.signingHost, path);
      if (!certificate.ok) return refuse(certificate.problem);
      if (!isSigned(message, certificate.publicKey)) return refuse('signatureInvalid');
      return { ok: true, message, topic };
    },
  };
}

const refuse = (problem: VerificationProblem): Verification => ({ ok: false, problem });

/**
 * Compares the text itself, not a parsed URL: user info, ports, queries, fragments, escapes, other letter
 * cases and look-alike hosts all differ from the one text that is allowed.
 */
function certificatePath(url: string, signingHost: string): string | null {
  const origin = `https://${signingHost}`;
  if (!url.startsWith(`${origin}/`)) return null;
  const path = url.slice(origin.length);
  return CERTIFICATE_PATH.test(path) ? path : null;
}

function isSigned(message: SnsMessage, key: KeyObject): boolean {
  try {
    const signature = Buffer.from(message.Signature, 'base64');
    return verifySignature('sha256', Buffer.from(signedText(message), 'utf8'), key, signature);
  } catch {
    return false;
  }
}
