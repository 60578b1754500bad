import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createAwsClients } from '../../activities/aws/clients';
import { createEnrolmentApi } from '../../activities/aws/provision-device';
import { enrolDevice, type EnrolmentApi } from '../../activities/provision/enrol';
import { partitionOf } from '../../domain/provision/desired';
import { deviceKey } from '../stack/device-keys';
import type { ComposeFleetConfig } from './config';

const SAMPLE_APP = resolve(__dirname, '..', 'sample-app', 'main.mjs');
const FIRMWARE = '1.0.0';

/**
 * Enrols the devices and writes `agents.json`, which `device-agent/host/main.ts` reads. Safe to run again: keys are
 * kept in the folder, and a device that is enrolled gets its own certificate back.
 * Returns the path of the file. A file `<dir>/<thing>.misbehave` makes that device's application flood.
 */
export async function writeFleetFile(config: ComposeFleetConfig): Promise<string> {
  const { aws, accountId, dir } = config;
  await mkdir(dir, { recursive: true });
  const place = { partition: partitionOf(aws.region), region: aws.region, accountId };
  const api = createEnrolmentApi(createAwsClients(aws), place);
  const agents: Awaited<ReturnType<typeof enrolOne>>[] = [];
  for (let index = 0; index < config.devices; index += 1) {
    agents.push(await enrolOne(config, api, index));
  }
  const file = join(dir, 'agents.json');
  await writeFile(`${file}.new`, JSON.stringify({ agents }, null, 2));
  await rename(`${file}.new`, file);
  return file;
}

async function enrolOne(config: ComposeFleetConfig, api: EnrolmentApi, index: number) {
  const { sites, hardware, dir, mqtt } = config;
  const thing = `device-${String(index + 1).padStart(2, '0')}`;
  const hardwareVersion = hardware[index % hardware.length] ?? '';
  const { keyFile, csrPem } = await deviceKey(thing, join(dir, 'keys'));
  const { certificatePem } = await enrolDevice(api, {
    thing,
    site: sites[Math.floor(index / hardware.length) % sites.length] ?? '',
    hardware: hardwareVersion,
    firmware: FIRMWARE,
    credential: { csrPem },
    alarm: { threshold: 20, periodSeconds: 10 },
  });
  const certFile = join(dir, `${thing}.cert.pem`);
  await writeFile(certFile, certificatePem);
  return {
    thing,
    host: mqtt.host,
    port: mqtt.port,
    caFile: mqtt.caFile,
    certFile,
    keyFile,
    stateDir: join(dir, `${thing}.state`),
    firmwareVersion: FIRMWARE,
    hardwareVersion,
    telemetryIntervalMs: 1_000,
    application: {
      command: process.execPath,
      args: [SAMPLE_APP],
      env: {
        SAMPLE_APP_THING: thing,
        SAMPLE_APP_TRIGGER_FILE: join(dir, `${thing}.misbehave`),
      },
    },
  };
}
