import type { AwsClients } from '../../activities/aws/clients';
import { awsResources } from '../../activities/aws/provision';
import { createEnrolmentApi } from '../../activities/aws/provision-device';
import { enrolDevice, type EnrolResult } from '../../activities/provision/enrol';
import { applyProvisioning } from '../../activities/provision/provision';
import { placeOf } from '../../domain/policy/place';
import type { Emulator } from '../stack/emulator';

const SITE = 'bed';
export const HARDWARE = 'rev-a';

/** The fleet's cloud side, as `npm run provision` makes it, for one site and one hardware version. */
export async function provisionAccount(clients: AwsClients, emulator: Emulator): Promise<void> {
  const place = placeOf(emulator.region, emulator.accountId);
  const spec = { place, sites: [SITE], hardware: [HARDWARE], webhookUrl: null };
  await applyProvisioning(awsResources(clients, spec));
}

export function enrolThing(
  clients: AwsClients,
  emulator: Emulator,
  device: { thing: string; csrPem: string },
): Promise<EnrolResult> {
  const api = createEnrolmentApi(clients, placeOf(emulator.region, emulator.accountId));
  const { thing, csrPem } = device;
  return enrolDevice(api, { thing, site: SITE, hardware: HARDWARE, credential: { csrPem } });
}
