import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { AwsClients } from '../../../activities/aws/clients';
import { intrude } from '../../../local/demo/intruder';
import { freePort } from '../../../local/stack/free-port';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  allowTelemetry,
  createCertificate,
  createDevice,
  denyTelemetry,
  prepareAccount,
} from '../../support/devices';

let emulator: Emulator;
let clients: AwsClients;

beforeAll(async () => {
  emulator = await startEmulator();
  clients = await prepareAccount(emulator);
}, 60_000);
afterAll(() => emulator.stop());

it('is accepted where the device is allowed, refused where it is denied, and accepted again', async () => {
  const device = await createDevice(clients.iot, 'pump');
  expect(await intrude(emulator.mqtt, device)).toBe('accepted');
  await denyTelemetry(clients.iot, device);
  expect(await intrude(emulator.mqtt, device)).toBe('refused');
  await allowTelemetry(clients.iot, device);
  expect(await intrude(emulator.mqtt, device)).toBe('accepted');
});

it('takes no silence for a refusal: where it can’t connect it says so', async () => {
  const device = await createDevice(clients.iot, 'fan');
  const nobody = { ...emulator.mqtt, port: await freePort() };
  expect(await intrude(nobody, device)).toBe('not connected');
  const { certFile, keyFile } = await createCertificate(clients.iot);
  const stranger = { ...device, certFile, keyFile };
  expect(await intrude(emulator.mqtt, stranger)).toBe('not connected');
});
