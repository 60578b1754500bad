import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sirv from 'sirv';

export interface RepositoryServer {
  metadataUrl: string;
  targetsUrl: string;
  stop(): Promise<void>;
}

/** Serves a published update repository on loopback, by ranges too, as an S3 bucket or any file server would. */
export async function serveRepository(dir: string): Promise<RepositoryServer> {
  const server = createServer(sirv(dir, { dev: true, etag: true }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    metadataUrl: `${url}/metadata`,
    targetsUrl: `${url}/targets`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
