import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { awsResources } from '../../../activities/aws/provision';
import { queueUrl } from '../../../activities/aws/provision-messaging';
import { applyProvisioning } from '../../../activities/provision/provision';
import {
  receivedTelemetry,
  type ReceivedTelemetry,
} from '../../../domain/device-protocol/telemetry';
import { NAMES } from '../../../domain/names';
import { placeOf } from '../../../domain/policy/place';
import { startFleet, type Fleet } from '../../../local/fleet';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

let emulator: Emulator;
let clients: AwsClients;
let fleet: Fleet;
let dir: string;

beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  dir = await mkdtemp(join(tmpdir(), 'fleet-'));
  const place = placeOf(emulator.region, emulator.accountId);
  const spec = { place, sites: ['north'], hardware: ['v1'], webhookUrl: null };
  await applyProvisioning(awsResources(clients, spec));
  fleet = await startFleet({
    emulator,
    dir,
    devices: [
      { thing: 'fleet-a', site: 'north', hardware: 'v1', protocolVersion: 4 },
      { thing: 'fleet-b', site: 'north', hardware: 'v1', protocolVersion: 5 },
    ],
    telemetryIntervalMs: 200,
  });
}, 60_000);
afterAll(async () => {
  await fleet.stop();
  await emulator.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Telemetry as the pump reads it, until some of it is as wanted. */
async function telemetryUntil(wanted: (seen: ReceivedTelemetry[]) => boolean) {
  const QueueUrl = (await queueUrl(clients.sqs, NAMES.telemetryQueue)) ?? '';
  const seen: ReceivedTelemetry[] = [];
  for (let poll = 0; poll < 100 && !wanted(seen); poll++) {
    const { Messages = [] } = await clients.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    seen.push(...Messages.map(({ Body }) => receivedTelemetry.parse(JSON.parse(Body ?? '{}'))));
  }
  return seen;
}
const refused = (seen: ReceivedTelemetry[], thing: string): number =>
  seen.filter((each) => each.thing === thing).reduce((sum, each) => sum + each.refusedPublishes, 0);

it('reports telemetry of every device, and refusals of the one that misbehaves only', async () => {
  const healthy = await telemetryUntil(
    (seen) => new Set(seen.map(({ thing }) => thing)).size === 2,
  );
  expect(refused(healthy, 'fleet-a') + refused(healthy, 'fleet-b')).toBe(0);

  await fleet.devices[1]?.misbehave();
  const after = await telemetryUntil((seen) => refused(seen, 'fleet-b') > 0);
  expect(refused(after, 'fleet-b')).toBeGreaterThan(0);
  expect(refused(after, 'fleet-a')).toBe(0);
}, 120_000);
