import { get as httpGet, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { DownloadHTTPError } from 'tuf-js/dist/error';
import { messageOf, withoutSecrets } from '../errors';
import { UpdateRefusedError } from '../update/types';

/** The repository did not answer as a repository does; another try may cure it. */
export class RepositoryUnreachableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RepositoryUnreachableError';
  }
}

export interface FetcherOptions {
  /** No file is longer, whatever the metadata that names it says. */
  maxBytes: number;
  /** For one request, its body included: a server that sends a byte now and then is given up, too. */
  requestMs: number;
  /** For all of them. */
  refreshMs: number;
  /** After a lost connection, a time-out or a 5xx. */
  retries: number;
  retryDelayMs: number;
  /** Certificate authorities instead of those of the system. */
  ca?: string | Buffer | undefined;
}

/**
 * Fetches metadata for tuf-js, into memory. Redirects are not followed: only the device's own configuration says
 * where the repository is. A 404 says that a repository lacks a file, which tells tuf-js which root is the last.
 */
export class MetadataFetcher {
  /** What the last request failed with. tuf-js keeps no more of it than the text. */
  failure: Error | null = null;
  private readonly deadline: AbortSignal;

  constructor(private readonly options: FetcherOptions) {
    this.deadline = AbortSignal.timeout(options.refreshMs);
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    this.failure = null;
    try {
      return await this.tryAgain(url, Math.min(maxLength, this.options.maxBytes));
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(messageOf(error));
      throw error;
    }
  }

  /** Part of what tuf-js expects of a fetcher; artifacts are downloaded elsewhere. */
  downloadFile(): never {
    throw new Error('only metadata is fetched here');
  }

  private async tryAgain(url: string, maxBytes: number): Promise<Buffer> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.fetch(url, maxBytes);
      } catch (error) {
        const mayPass = error instanceof RepositoryUnreachableError && !this.deadline.aborted;
        if (!mayPass || attempt >= this.options.retries) throw error;
      }
      await sleep(this.options.retryDelayMs * (attempt + 1));
    }
  }

  private async fetch(url: string, maxBytes: number): Promise<Buffer> {
    const { requestMs } = this.options;
    const signal = AbortSignal.any([this.deadline, AbortSignal.timeout(requestMs)]);
    try {
      const response = await answer(url, signal, this.options.ca);
      try {
        assertFile(url, response);
        return await body(url, response, maxBytes);
      } finally {
        response.destroy();
      }
    } catch (error) {
      if (error instanceof DownloadHTTPError || error instanceof UpdateRefusedError) throw error;
      const reason = signal.aborted ? 'took too long' : messageOf(error);
      throw new RepositoryUnreachableError(`${url}: ${reason}`);
    }
  }
}

function answer(
  url: string,
  signal: AbortSignal,
  ca: FetcherOptions['ca'],
): Promise<IncomingMessage> {
  const get = url.startsWith('https:') ? httpsGet : httpGet;
  return new Promise((resolve, reject) => {
    const options = {
      agent: false as const,
      headers: { 'accept-encoding': 'identity' },
      signal,
      ...(ca === undefined ? {} : { ca }),
    };
    get(url, options, resolve).on('error', reject);
  });
}

function assertFile(url: string, { statusCode = 0, headers }: IncomingMessage): void {
  if (statusCode === 404 || statusCode === 403)
    throw new DownloadHTTPError(`${url} answered ${statusCode}`, statusCode);
  const { location } = headers;
  if (location !== undefined)
    throw new Error(
      `answered ${statusCode} and leads to ${withoutSecrets(location)}: redirects are not followed, configure the final address`,
    );
  if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new Error(`sent with Content-Encoding ${encoding}`);
}

async function body(url: string, response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes)
      throw new UpdateRefusedError(`${url} is longer than the ${maxBytes} bytes that it may have`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
