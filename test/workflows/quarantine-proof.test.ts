import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { AttachPolicyCommand, DetachPolicyCommand } from '@aws-sdk/client-iot';
import { createIotRegistry } from '../../activities/aws/iot-registry';
import type { ContainmentDeps } from '../../activities/quarantine/deps';
import { deniedByDocuments } from '../../activities/quarantine/prove';
import { NAMES } from '../../domain/names';
import { placeOf } from '../../domain/policy/place';
import { readState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { held, release, startRun, statusOf, untilPhase, untilStatus } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(20));

const deny = (target: string) => ({ policyName: NAMES.quarantinePolicy, target });

const documentsDeny = (thing: string): Promise<boolean> => {
  const { region, accountId } = bed.emulator;
  const read = { registry: createIotRegistry(bed.clients.iot), place: placeOf(region, accountId) };
  return deniedByDocuments(read as ContainmentDeps, thing);
};

it("counts the documents as denied only where the certificate carries the Deny too, not its thing's group alone", async () => {
  const { iot } = bed.clients;
  const { certificateArn } = await bed.enrol('p-documents');
  expect(await documentsDeny('p-documents')).toBe(false);
  const run = await held(bed, 'p-documents', { settings: { proveWithin: '1 second' } });
  expect(await documentsDeny('p-documents')).toBe(true);
  await iot.send(new DetachPolicyCommand(deny(certificateArn)));
  expect((await readState(bed.clients, 'p-documents')).groups).toContain(NAMES.quarantineGroup);
  expect(await documentsDeny('p-documents')).toBe(false);
  await iot.send(new AttachPolicyCommand(deny(certificateArn)));
  expect(await documentsDeny('p-documents')).toBe(true);
  await release(run);
});

it('does not say contained, refusal seen or not, while a certificate lacks the Deny', async () => {
  const { iot } = bed.clients;
  const { thing, certificateArn } = await bed.device('p-detached');
  const { remove } = bed.proxy.use({
    before: async ({ operation }) => {
      if (operation === 'DeleteConnection')
        await iot.send(new DetachPolicyCommand(deny(certificateArn)));
      return undefined;
    },
  });
  const run = await startRun(bed, thing, { settings: { proveWithin: '1 second' } });
  const { proof, level } = await untilStatus(run, (status) => status.proof?.refusalSeenAt != null);
  remove();
  expect(proof?.deniedByDocumentsAt).toBeNull();
  expect(level).toBe('not contained');
  await untilPhase(run, 'holding');
  expect((await statusOf(run)).level).toBe('not contained');

  await iot.send(new AttachPolicyCommand(deny(certificateArn)));
  await untilStatus(run, (status) => status.level === 'contained, observed');
  await release(run);
});
