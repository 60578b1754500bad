import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetConnectionCommand } from '@aws-sdk/client-iot-data-plane';
import { pino } from 'pino';
import type { AwsClients } from '../../activities/aws/clients';
import { isAwsError } from '../../activities/failure';
import { createAgent } from '../../device-agent/agent';
import { agentConfig } from '../../device-agent/config';
import { deviceKey } from '../stack/device-keys';
import type { Emulator } from '../stack/emulator';
import { enrolThing, HARDWARE } from './account';

export interface BedDevice {
  thing: string;
  certificateArn: string;
  stop(): Promise<void>;
}

const CONNECTED_WITHIN_MS = 15_000;

/** Enrols a device under a cached key and runs its agent in this process; returns once its session is live. */
export async function startDevice(
  clients: AwsClients,
  emulator: Emulator,
  thing: string,
): Promise<BedDevice> {
  const dir = await mkdtemp(join(tmpdir(), `bed-${thing}-`));
  const { keyFile, csrPem } = await deviceKey(thing);
  const { certificateArn, certificatePem } = await enrolThing(clients, emulator, {
    thing,
    csrPem,
  });
  const certFile = join(dir, 'certificate.pem');
  await writeFile(certFile, certificatePem);
  const agent = createAgent(
    agentConfig.parse({
      thing,
      ...emulator.mqtt,
      certFile,
      keyFile,
      stateDir: dir,
      firmwareVersion: '1.0.0',
      hardwareVersion: HARDWARE,
      diagnostics: await diagnosticsOf(dir, emulator),
      reconnect: { baseMs: 100, capMs: 1000, stableAfterMs: 1000 },
    }),
    pino({ level: 'silent' }),
  );
  await agent.start();
  await untilConnected(clients, thing);
  return {
    thing,
    certificateArn,
    stop: async () => {
      await agent.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** An application of one file with a log, and leave to upload to the emulator's S3. */
async function diagnosticsOf(dir: string, { endpoint }: Emulator) {
  const root = join(dir, 'application');
  const applicationLog = join(dir, 'application.log');
  await mkdir(root);
  await writeFile(join(root, 'main.sh'), 'exec sleep infinity\n');
  await writeFile(applicationLog, 'started\n');
  const uploadOrigins = [`http://localhost:${new URL(endpoint).port}`];
  return { hashRoots: { application: root }, applicationLog, uploadOrigins };
}

async function untilConnected({ iotData }: AwsClients, thing: string): Promise<void> {
  const deadline = Date.now() + CONNECTED_WITHIN_MS;
  for (;;) {
    const connection = await iotData
      .send(new GetConnectionCommand({ clientId: thing }))
      .catch((err: unknown) => {
        if (isAwsError(err, 'ResourceNotFoundException')) return { connected: false };
        throw err;
      });
    if (connection.connected === true) return;
    if (Date.now() > deadline) throw new Error(`${thing} did not connect in time`);
    await sleep(20);
  }
}
