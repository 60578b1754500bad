import { copyFileSync, mkdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createAwsClients } from '../../activities/aws/clients';
import { createEnrolmentApi } from '../../activities/aws/provision-device';
import { enrolDevice } from '../../activities/provision/enrol';
import { placeOf } from '../../domain/policy/place';
import { deviceKey } from '../stack/device-keys';
import type { FleetDeviceSpec, FleetOptions } from './types';

/** What a device is shipped with, in the attributes of its thing and in what its agent reports before any update. */
export const FIRMWARE = '1.0.0';

export interface Enrolled extends FleetDeviceSpec {
  certificateArn: string;
  certFile: string;
  keyFile: string;
}

/** Certificates are signed on one core of the emulator: more at once only wait. */
const ENROL_AT_ONCE = 4;

/** Enrols the devices as `npm run provision -- device` does, under keys that are kept from run to run. */
export async function enrolAll(options: FleetOptions): Promise<Enrolled[]> {
  const { dir, devices, emulator } = options;
  await mkdir(dir, { recursive: true });
  const place = placeOf(emulator.region, emulator.accountId);
  const api = createEnrolmentApi(createAwsClients(emulator), place);
  const enrolled: Enrolled[] = [];
  for (let from = 0; from < devices.length; from += ENROL_AT_ONCE) {
    const batch = devices.slice(from, from + ENROL_AT_ONCE);
    enrolled.push(...(await Promise.all(batch.map((device) => enrol(options, api, device)))));
    if (tells(enrolled.length, devices.length))
      options.log?.(`${enrolled.length} of ${devices.length} devices enrolled`);
  }
  return enrolled;
}

const TELL_EVERY = 40;
const tells = (done: number, all: number): boolean =>
  done === all || all < TELL_EVERY || done % TELL_EVERY === 0;

async function enrol(
  { dir, alarm }: FleetOptions,
  api: ReturnType<typeof createEnrolmentApi>,
  spec: FleetDeviceSpec,
): Promise<Enrolled> {
  const { thing, site, hardware, firmware = FIRMWARE } = spec;
  const { keyFile, csrPem } = await deviceKey(thing);
  const { certificateArn, certificatePem } = await enrolDevice(api, {
    thing,
    site,
    hardware,
    firmware,
    credential: { csrPem },
    ...(alarm !== undefined && { alarm }),
  });
  const certFile = join(dir, `${thing}.cert.pem`);
  await writeFile(certFile, certificatePem);
  return { ...spec, certificateArn, certFile, keyFile };
}

/** Puts files in slot `a` as the factory image, from where updates replace it. */
export function placeFactoryImage(slots: string, files: readonly string[]): void {
  const factory = join(slots, 'a', 'root');
  mkdirSync(factory, { recursive: true });
  for (const file of files) copyFileSync(file, join(factory, basename(file)));
}

/** A file that makes the application misbehave while it is there. */
export const trigger = (file: string) => ({
  misbehave: () => writeFile(file, ''),
  behave: () => rm(file, { force: true }),
});
