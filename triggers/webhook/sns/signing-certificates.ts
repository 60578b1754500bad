import { X509Certificate, type KeyObject } from 'node:crypto';

import type { HttpsGetResult } from './https-get';

export type CertificateProblem =
  /** The pinned host has no usable certificate there. */
  | 'certificateUnknown'
  /** The pinned host can't be asked now. */
  | 'certificateUnavailable'
  /** Too many unknown names lately: none is asked for. */
  | 'certificateBusy';

export type CertificateResult =
  { ok: true; publicKey: KeyObject } | { ok: false; problem: CertificateProblem };

export interface SigningCertificates {
  /** `path` must have been checked against the pin. */
  get(host: string, path: string): Promise<CertificateResult>;
}

export interface SigningCertificateOptions {
  fetch(host: string, path: string): Promise<HttpsGetResult>;
  now?: () => number;
  /** Told once per outbound request. */
  onFetch?: (result: HttpsGetResult['kind']) => void;
  maxFetchesPerMinute?: number;
}

const MAX_KNOWN = 32;
const MAX_FAILED = 1_000;
const UNKNOWN_FOR_MS = 60_000;
const UNAVAILABLE_FOR_MS = 1_000;
const MINUTE_MS = 60_000;
const MIN_MODULUS_BITS = 2048;

/**
 * Certificates of the pinned hosts, fetched once each. A flood of made-up names becomes at most
 * `maxFetchesPerMinute` outbound requests and can't push out a certificate that is in use: good and bad
 * answers are kept apart, both bounded.
 */
export function createSigningCertificates(options: SigningCertificateOptions): SigningCertificates {
  const now = options.now ?? Date.now;
  const budget = options.maxFetchesPerMinute ?? 30;
  const known = new Map<string, X509Certificate>();
  const failed = new Map<string, { problem: CertificateProblem; until: number }>();
  const inFlight = new Map<string, Promise<CertificateResult>>();
  let fetches: number[] = [];

  async function load(url: string, host: string, path: string): Promise<CertificateResult> {
    const answer = await options.fetch(host, path);
    options.onFetch?.(answer.kind);
    const certificate = answer.kind === 'ok' ? readCertificate(answer.body) : null;
    if (certificate !== null) {
      putBounded(known, url, certificate, MAX_KNOWN);
      return judge(certificate, now());
    }
    const unreachable = answer.kind === 'unreachable';
    const problem = unreachable ? 'certificateUnavailable' : 'certificateUnknown';
    const until = now() + (unreachable ? UNAVAILABLE_FOR_MS : UNKNOWN_FOR_MS);
    putBounded(failed, url, { problem, until }, MAX_FAILED);
    return { ok: false, problem };
  }

  function startLoad(url: string, host: string, path: string): Promise<CertificateResult> {
    fetches = fetches.filter((at) => at > now() - MINUTE_MS);
    if (fetches.length >= budget) return Promise.resolve({ ok: false, problem: 'certificateBusy' });
    fetches.push(now());
    const loading = load(url, host, path).finally(() => inFlight.delete(url));
    inFlight.set(url, loading);
    return loading;
  }

  return {
    async get(host, path) {
      const url = `https://${host}${path}`;
      const certificate = known.get(url);
      if (certificate !== undefined) {
        putBounded(known, url, certificate, MAX_KNOWN);
        return judge(certificate, now());
      }
      const failure = failed.get(url);
      if (failure !== undefined && failure.until > now()) {
        return { ok: false, problem: failure.problem };
      }
      return inFlight.get(url) ?? startLoad(url, host, path);
    },
  };
}

/** Null for anything but one certificate with an RSA key that is long enough. */
function readCertificate(body: Buffer): X509Certificate | null {
  try {
    const certificate = new X509Certificate(body);
    const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
    const bits = asymmetricKeyDetails?.modulusLength ?? 0;
    return asymmetricKeyType === 'rsa' && bits >= MIN_MODULUS_BITS ? certificate : null;
  } catch {
    return null;
  }
}

/** The dates are judged at every use: a certificate may end while it is cached. */
function judge(certificate: X509Certificate, at: number): CertificateResult {
  const valid = Date.parse(certificate.validFrom) <= at && at <= Date.parse(certificate.validTo);
  return valid
    ? { ok: true, publicKey: certificate.publicKey }
    : { ok: false, problem: 'certificateUnknown' };
}

/** Puts or moves the entry to the young end and drops the oldest beyond `limit`. */
function putBounded<Value>(
  map: Map<string, Value>,
  key: string,
  value: Value,
  limit: number,
): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= limit) return;
    map.delete(oldest);
  }
}
