import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import type { TufRepository } from './tuf-repository';

/** Answers in place of the file, for as long as it is set. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => void;

export interface RepositoryServer {
  /** `http://127.0.0.1:<port>` */
  origin: string;
  metadataUrl: string;
  targetsUrl: string;
  /** `GET /metadata/timestamp.json`, in order; a range is added: `GET /targets/x bytes=5-`. */
  requests: string[];
  /** For every path that contains `part`, until `clear`. */
  fault(part: string, fault: Fault): void;
  clear(): void;
  close(): Promise<void>;
}

/** Serves `metadata/` and `targets/` of a repository on loopback, with ranges, so that a download can be resumed. */
export async function serveRepository({
  dir,
}: Pick<TufRepository, 'dir'>): Promise<RepositoryServer> {
  const faults: { part: string; fault: Fault }[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const { range } = request.headers;
    requests.push(`${request.method} ${request.url}${range === undefined ? '' : ` ${range}`}`);
    const found = faults.find(({ part }) => path.includes(part));
    if (found !== undefined) found.fault(request, response);
    else sendFile(join(dir, normalize(path)), range, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    metadataUrl: `${origin}/metadata`,
    targetsUrl: `${origin}/targets`,
    requests,
    fault: (part, fault) => faults.unshift({ part, fault }),
    clear: () => faults.splice(0),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function sendFile(file: string, range: string | undefined, response: ServerResponse): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    response.writeHead(404).end();
    return;
  }
  const asked = range === undefined ? null : /^bytes=(\d+)-(\d*)$/.exec(range);
  const start = Number(asked?.[1] ?? 0);
  const end = Math.min(asked?.[2] ? Number(asked[2]) : size - 1, size - 1);
  if (asked !== null && start >= size) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }
  response.writeHead(asked === null ? 200 : 206, {
    'accept-ranges': 'bytes',
    'content-length': end - start + 1,
    ...(asked === null ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  if (size === 0) response.end();
  else createReadStream(file, { start, end }).pipe(response);
}

export const answerStatus =
  (status: number, headers: Record<string, string> = {}): Fault =>
  (_request, response) =>
    response.writeHead(status, headers).end();

export const answerBody =
  (body: Buffer | string): Fault =>
  (_request, response) =>
    response.end(body);

/** Says how long it would be, sends less and closes. */
export const answerTruncated =
  (body: Buffer, bytes: number): Fault =>
  (_request, response) => {
    response.writeHead(200, { 'content-length': body.length });
    response.write(body.subarray(0, bytes), () => response.destroy());
  };

/** Never says a word. */
export const neverAnswer: Fault = () => undefined;

/** As fast as the client reads, without an end. */
export const answerEndlessly: Fault = (_request, response) => {
  const chunk = Buffer.alloc(65_536, ' ');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
};

/** One byte at a time, without an end; a client that waits only for silence never gives up. */
export const answerByDrops =
  (everyMs = 20): Fault =>
  (_request, response) => {
    const timer = setInterval(() => response.write(' '), everyMs);
    response.on('close', () => clearInterval(timer));
  };
