import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface UploadServer {
  origin: string;
  /** Bodies sent to `/upload`; others are refused. */
  received: Buffer[];
  close(): Promise<void>;
}

/** Where bundles go; `keep` says whether they are kept. */
export async function startUploadServer(keep: boolean): Promise<UploadServer> {
  const received: Buffer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      if (keep) received.push(Buffer.concat(chunks));
      if (request.url === '/upload') response.end();
      else if (request.url === '/redirect')
        response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
      else response.writeHead(403).end('<Code>AccessDenied</Code>');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
