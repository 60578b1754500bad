import { get as httpGet, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { messageOf, withoutSecrets } from '../errors';

/** The connection ended before the artifact did; another attempt may get further. */
export class InterruptedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InterruptedError';
  }
}

/** The server will not give this artifact as it is: worth few attempts, since a proxy in between may have said so. */
export class UnusableAnswerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnusableAnswerError';
  }
}

/** The server offers other bytes than those that were signed. */
export class WrongLengthError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WrongLengthError';
  }
}

export interface RangedRequest {
  url: string;
  /** First byte that is missing; 0 for the whole. */
  from: number;
  /** Bytes of the whole artifact, as signed. */
  length: number;
  /** Strong entity tag of the earlier bytes, where known. */
  etag: string | null;
  timeoutMs: number;
  signal: AbortSignal | undefined;
  ca: string | Buffer | undefined;
}

export interface RangedAnswer {
  response: IncomingMessage;
  /** Where the body starts: `from`, or 0 where the server sends the whole again; null where it has no such byte. */
  start: number | null;
  etag: string | null;
}

/** RFC 9110, 14 (ranges), 13.1.5 (If-Range), 8.4 (no content coding); redirects are not followed. */
export async function rangedGet(request: RangedRequest): Promise<RangedAnswer> {
  const response = await answer(request);
  try {
    return { response, start: startOf(response, request), etag: strongTag(response.headers) };
  } catch (error) {
    response.destroy();
    throw error;
  }
}

function answer(request: RangedRequest): Promise<IncomingMessage> {
  const { url, signal, ca, timeoutMs } = request;
  const get = url.startsWith('https:') ? httpsGet : httpGet;
  return new Promise((resolve, reject) => {
    const options = {
      headers: headersFor(request),
      agent: false as const,
      ...(signal === undefined ? {} : { signal }),
      ...(ca === undefined ? {} : { ca }),
    };
    const sent = get(url, options, (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    const timer = setTimeout(
      () => sent.destroy(new Error(`no answer in ${timeoutMs} ms`)),
      timeoutMs,
    );
    sent.on('error', (error) => {
      clearTimeout(timer);
      reject(new InterruptedError(`${url}: ${messageOf(error)}`));
    });
  });
}

function headersFor({ from, etag }: RangedRequest): Record<string, string> {
  if (from === 0) return { 'accept-encoding': 'identity' };
  return {
    'accept-encoding': 'identity',
    range: `bytes=${from}-`,
    ...(etag === null ? {} : { 'if-range': etag }),
  };
}

function startOf({ statusCode = 0, headers }: IncomingMessage, request: RangedRequest) {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (statusCode === 416 && request.from > 0) return null;
  if (statusCode !== 200 && statusCode !== 206) throw notServed(statusCode, headers, request.url);
  if (encoding !== 'identity')
    throw new UnusableAnswerError(`${request.url} is sent with Content-Encoding ${encoding}`);
  if (statusCode === 206) return rangeStart(headers, request);
  const { length } = request;
  const announced = headers['content-length'];
  if (announced !== undefined && Number(announced) !== length)
    throw new WrongLengthError(`${request.url} has ${announced} bytes, signed were ${length}`);
  return 0;
}

function rangeStart(headers: IncomingHttpHeaders, { url, from, length }: RangedRequest): number {
  const range = headers['content-range'] ?? 'no Content-Range';
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  if (first === undefined || from === 0 || Number(first) !== from)
    throw new UnusableAnswerError(`${url} was asked for bytes from ${from}, answered ${range}`);
  if (Number(last) >= length || (total !== '*' && Number(total) !== length))
    throw new WrongLengthError(`${url} answered ${range}, signed were ${length} bytes`);
  return from;
}

function notServed(status: number, headers: IncomingHttpHeaders, url: string): Error {
  const passes = status >= 500 || [408, 425, 429].includes(status);
  if (passes) return new InterruptedError(`${url} answered ${status}`);
  const { location } = headers;
  return new UnusableAnswerError(
    location === undefined
      ? `${url} answered ${status}`
      : `${url} answered ${status} and leads to ${withoutSecrets(location)}: redirects are not followed`,
  );
}

/** A weak tag says nothing about single bytes. */
function strongTag({ etag }: IncomingHttpHeaders): string | null {
  return etag !== undefined && /^"[^"]*"$/.test(etag) ? etag : null;
}
