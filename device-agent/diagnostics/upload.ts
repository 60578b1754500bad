import { createReadStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors';

/** The store refused it, and will again. Messages hold no URL: its query is a credential. */
export class UploadRefusedError extends Error {
  constructor(
    readonly status: number,
    code: string,
  ) {
    super(`the upload was refused: ${status}${code === '' ? '' : ` ${code}`}`);
    this.name = 'UploadRefusedError';
  }
}

/** Null where bundles may go there; otherwise why not. */
export function refusalOf(url: string, origins: readonly string[]): string | null {
  const { origin, username, password } = new URL(url);
  if (username !== '' || password !== '') return 'uploadUrl: holds a user name or a password';
  if (origins.some((allowed) => new URL(allowed).origin === origin)) return null;
  return `uploadUrl: ${origin} is not in diagnostics.uploadOrigins of this device`;
}

export interface Upload {
  url: string;
  path: string;
  bytes: number;
  /** Until when it is tried again. */
  remainingMs: () => number;
  signal: AbortSignal;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
const THERE = 412;
const BEING_WRITTEN = 409;

const BACKOFF_MS = [200, 500, 1_000, 2_000, 5_000] as const;

/**
 * One PUT of the whole file, to where nothing is yet: stores of evidence take no other. Tried again on a failing network
 * and on 5xx until the time is over; an object that is there then is that of an attempt whose answer was lost, and who
 * receives it compares its hash. Redirects are not followed: they would lead past the allowed origins.
 */
export async function upload(task: Upload): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await put(task);
      return;
    } catch (error) {
      task.signal.throwIfAborted();
      if (attempt > 0 && error instanceof UploadRefusedError && error.status === THERE) return;
      const wait = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 0;
      if (error instanceof UploadRefusedError) throw error;
      if (task.remainingMs() <= wait) {
        throw new Error(`not uploaded in time: ${messageOf(error)}`, { cause: error });
      }
      await sleep(wait, undefined, { signal: task.signal });
    }
  }
}

async function put({ url, path, bytes, remainingMs, signal }: Upload): Promise<void> {
  const target = new URL(url);
  const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, {
    method: 'PUT',
    agent: false,
    headers: {
      'content-length': bytes,
      'content-type': 'application/gzip',
      'if-none-match': '*',
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, remainingMs()))]),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  // A refusal may come, and the connection end, before all is sent: then the answer counts.
  const sent = pipeline(createReadStream(path), request).catch(() => undefined);
  try {
    const response = await answered;
    const body = await beginningOf(response);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return;
    const code = /<Code>([A-Za-z]{1,64})<\/Code>/.exec(body)?.[1] ?? '';
    if (status < 500 && status !== BEING_WRITTEN) throw new UploadRefusedError(status, code);
    throw new Error(`${status} ${code}`.trim());
  } finally {
    request.destroy();
    await sent;
  }
}

const MAX_ANSWER = 4_096;

async function beginningOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += (chunk as Buffer).toString('latin1');
    if (text.length >= MAX_ANSWER) break;
  }
  return text;
}
