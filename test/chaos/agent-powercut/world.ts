import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { CancelJobCommand } from '@aws-sdk/client-iot';
import { build } from 'esbuild';
import type { AwsClients } from '../../../activities/aws/clients';
import { isAwsError } from '../../../activities/failure';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { createCertificate, prepareAccount, type TestCertificate } from '../../support/devices';
import { serveRepository, type RepositoryServer } from '../../support/tuf-server';
import { createReleases } from './releases';
import { scratchFolder } from './scratch';

/** What all devices of a sweep share. */
export interface World {
  dir: string;
  emulator: Emulator;
  clients: AwsClients;
  certificate: TestCertificate;
  repository: RepositoryServer;
  rootFile: string;
  /** Signs the next version of its metadata. */
  publishAgain: () => void;
  /** Where the disk of a device is kept that has taken an update before. */
  seasoned: string;
  /** The agent, in one file, and what is loaded into it. */
  agent: string;
  preload: string;
  /** Cancels a job when it is asked for. */
  cancelUrl: (jobId: string) => string;
  stop(): Promise<void>;
}

const ROOT = resolve(__dirname, '../../..');

export async function startWorld(): Promise<World> {
  const dir = scratchFolder();
  const emulator = await startEmulator();
  const clients = await prepareAccount(emulator);
  const certificate = await createCertificate(clients.iot);
  const releases = createReleases(join(dir, 'repository'));
  const repository = await serveRepository({ dir: join(dir, 'repository') });
  const control = await startControl(clients);
  const { port } = control.address() as AddressInfo;
  const [agent, preload] = [join(dir, 'agent.js'), join(dir, 'preload.js')];
  await bundle('device-agent/host/main.ts', agent);
  await bundle('test/chaos/agent-powercut/preload/main.ts', preload);
  return {
    dir,
    emulator,
    clients,
    certificate,
    repository,
    rootFile: releases.rootFile,
    publishAgain: releases.publish,
    seasoned: join(dir, 'seasoned'),
    agent,
    preload,
    cancelUrl: (jobId) => `http://127.0.0.1:${port}/${jobId}`,
    stop: async () => {
      control.closeAllConnections();
      control.close();
      await Promise.all([repository.close(), emulator.stop()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, entry)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
}

async function startControl({ iot }: AwsClients): Promise<Server> {
  const server = createServer((request, response) => {
    const jobId = (request.url ?? '').slice(1);
    iot.send(new CancelJobCommand({ jobId, force: true })).then(
      () => response.end(),
      // A life before this one had it cancelled already.
      (error: unknown) =>
        response.writeHead(isAwsError(error, 'InvalidRequestException') ? 200 : 500).end(),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}
