import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { VerifiedTarget } from '../../../device-agent/update/types';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface ArtifactServer {
  target: VerifiedTarget;
  /** Ranges that were asked for, `null` for the whole, oldest first. */
  ranges: (string | null)[];
  close: () => void;
}

/** Serves an artifact: as the answers say, one request each, and well from then on. */
export async function serve(
  content: Buffer,
  answers: Answer[] = [],
  name = 'pump-2.0.0.tar',
): Promise<ArtifactServer> {
  const ranges: (string | null)[] = [];
  const left = [...answers];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range ?? null);
    (left.shift() ?? well(content))(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { target: targetOf(content, `http://127.0.0.1:${port}/${name}`, name), ranges, close };
}

export function targetOf(content: Buffer, url: string, name: string): VerifiedTarget {
  return {
    name,
    url,
    length: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    release: { version: '2.0.0', release: 2, securityEpoch: 0, hardware: ['pump-1'] },
  };
}

/** With ranges, as a good server does. */
export function well(content: Buffer): Answer {
  return (request, response) => {
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    if (from === undefined) {
      response.writeHead(200, { 'content-length': content.length, etag: '"v1"' }).end(content);
      return;
    }
    response.writeHead(206, {
      'content-length': content.length - Number(from),
      'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
    });
    response.end(content.subarray(Number(from)));
  };
}

/** Announces everything and hangs up after so many bytes. */
export function cutAfter(content: Buffer, bytes: number): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': content.length, etag: '"v1"' });
    response.write(content.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
  };
}
