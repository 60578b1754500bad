import { mkdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from '../connection/backoff';
import { messageOf } from '../errors';
import { assertSpace, DiskFullError, sameFileSystem } from './disk-space';
import { PartFile } from './part-file';
import { InterruptedError, rangedGet, UnusableAnswerError, WrongLengthError } from './ranged-get';
import { RateLimit } from './rate-limit';
import { UpdateRefusedError, type VerifiedTarget } from './types';

const BACKOFF = { baseMs: 1_000, capMs: 300_000 };
const TIMEOUT_MS = 30_000;
/** Of an array in V8. */
const BYTES_PER_ELEMENT = 8;
/** A proxy or a captive portal may answer in the server's place for a while. */
const UNUSABLE_ANSWERS = 3;

/** What a download needs to know of a target. */
export type Artifact = Omit<VerifiedTarget, 'release'>;

export interface FetchOptions {
  target: Artifact;
  /** Where the artifact is put, and found again by the next life. */
  path: string;
  bytesPerSecond: number | null;
  /** Given up after this long without getting further, over however many connections. */
  stalledMs: number;
  /** Bytes that must be free besides the artifact, so that a download is not for nothing. */
  spaceNeeded?: number;
  /** Where those are needed, if that may be another file system. */
  spaceFolder?: string;
  signal?: AbortSignal;
  onProgress?: (received: number) => void;
  backoff?: Backoff;
  /** For an answer, and for the next byte of its body. */
  timeoutMs?: number;
  /** Certificate authorities instead of those of the system. */
  ca?: string | Buffer;
}

/**
 * Puts an artifact at `path`, exactly the bytes that were signed. Goes on where an earlier attempt or an earlier
 * life ended; what is there complete is verified and not fetched. Rejects with UpdateRefusedError where the server
 * has other bytes, and otherwise with an error that another try of the job may cure.
 */
export async function fetchArtifact(options: FetchOptions): Promise<void> {
  const { path, target, signal } = options;
  mkdirSync(dirname(path), { recursive: true });
  const part = new PartFile(path);
  let keep = true;
  try {
    const resumed = await part.resume(target.length, signal);
    assertRoom(options, target.length - resumed);
    await complete(part, options);
    if (part.sha256() !== target.sha256 && resumed > 0) {
      // The earlier life may have lost power before its bytes were on the disk: they prove nothing against the server.
      part.restart();
      await complete(part, options);
    }
    if (part.sha256() !== target.sha256)
      throw new UpdateRefusedError(`${target.name} has SHA-256 ${part.sha256()}, not as signed`);
  } catch (error) {
    keep = !(error instanceof UpdateRefusedError || error instanceof DiskFullError);
    throw error;
  } finally {
    part.close();
    if (!keep) part.drop();
  }
}

function assertRoom({ path, target, spaceNeeded = 0, spaceFolder }: FetchOptions, missing: number) {
  const folder = dirname(path);
  const apart = spaceFolder !== undefined && !sameFileSystem(folder, spaceFolder);
  assertSpace(folder, missing + (apart ? 0 : spaceNeeded), `the update ${target.name}`);
  if (apart) assertSpace(spaceFolder, spaceNeeded, `installing ${target.name}`);
}

/** Connects until every byte is there. */
async function complete(part: PartFile, options: FetchOptions): Promise<void> {
  const backoff = options.backoff ?? new Backoff(BACKOFF);
  const limit = new RateLimit(options.bytesPerSecond);
  const state: Attempt = { etag: null, furthest: part.size, since: performance.now(), unusable: 0 };
  backoff.reset();
  while (part.size < options.target.length) {
    try {
      await attempt(part, limit, state, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      await afterFailure(error, part, state, backoff, options);
    }
  }
}

interface Attempt {
  etag: string | null;
  /** The most bytes that were ever there; a server without ranges starts over, which is no progress. */
  furthest: number;
  /** When that rose last; `performance.now()`. */
  since: number;
  /** Answers in a row that no retry is known to cure. */
  unusable: number;
}

async function afterFailure(
  error: unknown,
  part: PartFile,
  state: Attempt,
  backoff: Backoff,
  { stalledMs, signal }: FetchOptions,
): Promise<void> {
  if (error instanceof WrongLengthError) throw new UpdateRefusedError(error.message);
  if (error instanceof UnusableAnswerError) state.unusable += 1;
  else if (!(error instanceof InterruptedError)) throw error;
  if (state.unusable >= UNUSABLE_ANSWERS) throw error;
  if (part.size > state.furthest) {
    state.furthest = part.size;
    backoff.reset();
    part.flush();
  }
  // By a clock that does not leap: a device may boot in 1970 and learn the time on the way.
  const stalled = Math.round(performance.now() - state.since);
  if (stalled >= stalledMs)
    throw new Error(
      `no further than ${state.furthest} bytes for ${stalled} ms: ${messageOf(error)}`,
    );
  await sleep(Math.min(backoff.next(), stalledMs - stalled), undefined, signal && { signal });
}

async function attempt(
  part: PartFile,
  limit: RateLimit,
  state: Attempt,
  options: FetchOptions,
): Promise<void> {
  const { target, signal, ca, timeoutMs = TIMEOUT_MS } = options;
  const { response, start, etag } = await rangedGet({
    url: target.url,
    from: part.size,
    length: target.length,
    etag: state.etag,
    timeoutMs,
    signal,
    ca,
  });
  try {
    state.etag = etag;
    state.unusable = 0;
    if (start !== part.size) part.restart();
    if (start === null)
      throw new InterruptedError(`${target.url} is shorter than what was fetched`);
    await receive(response, part, limit, state, { ...options, timeoutMs });
  } finally {
    response.destroy();
  }
}

async function receive(
  response: IncomingMessage,
  part: PartFile,
  limit: RateLimit,
  state: Attempt,
  options: FetchOptions & { timeoutMs: number },
): Promise<void> {
  const { target, signal, onProgress, timeoutMs } = options;
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    const chunk = await nextChunk(response, chunks, timeoutMs);
    if (chunk === null) break;
    if (part.size + chunk.length > target.length)
      throw new WrongLengthError(`${target.url} is longer than the ${target.length} bytes signed`);
    part.append(chunk);
    if (part.size > state.furthest) state.since = performance.now();
    onProgress?.(part.size);
    haveCollected(chunk.length);
    const delay = limit.spend(chunk.length);
    if (delay > 0) await sleep(delay, undefined, signal && { signal });
  }
  if (part.size < target.length) throw endedEarly(response, part.size, target);
}

/**
 * V8 collects young garbage by what JavaScript allocates, where a chunk counts as a small object, whatever memory is
 * behind it. An array a quarter as long has that memory free again after a few chunks, so that the peak is low and
 * the same for an artifact of any size.
 */
function haveCollected(bytes: number): void {
  new Array(Math.ceil(bytes / 4 / BYTES_PER_ELEMENT));
}

/** Null at the end of the body. The time that a bandwidth limit takes does not count against the server. */
async function nextChunk(
  response: IncomingMessage,
  chunks: AsyncIterator<Buffer>,
  timeoutMs: number,
): Promise<Buffer | null> {
  const stalled = () => response.destroy(new Error(`no byte for ${timeoutMs} ms`));
  const timer = setTimeout(stalled, timeoutMs);
  try {
    const next = await chunks.next();
    return next.done === true ? null : next.value;
  } catch (error) {
    throw new InterruptedError(messageOf(error));
  } finally {
    clearTimeout(timer);
  }
}

/** Only a body that is framed by itself says that there is no more; without a frame, it may be a lost connection. */
function endedEarly(response: IncomingMessage, size: number, { url, length }: Artifact) {
  const framed = response.headers['transfer-encoding'] !== undefined;
  const message = `${url} ended after ${size} of ${length} bytes`;
  return framed ? new WrongLengthError(message) : new InterruptedError(message);
}
