import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { NAMES } from '../../domain/names';
import { readState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { held, release, untilStatus } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(10));

it('contains, proves, holds, releases and gives the device back exactly as it was', async () => {
  const { thing, certificateArn } = await bed.device('q-whole');
  const before = await readState(bed.clients, thing);

  const run = await held(bed, thing);
  const status = await untilStatus(
    run,
    (now) => now.applicationStoppedAt !== null && now.level === 'contained, observed',
  );
  const contained = await readState(bed.clients, thing);
  expect(contained.groups).toContain(NAMES.quarantineGroup);
  expect(contained[`policies of ${certificateArn}`]).toContain(NAMES.quarantinePolicy);
  expect(contained).toMatchObject({ 'log level': 'DEBUG', record: expect.stringContaining(thing) });
  expect(status).toMatchObject({
    phase: 'holding',
    proof: {
      requestedAt: expect.any(String),
      deniedByDocumentsAt: expect.any(String),
      disconnectedAt: expect.any(String),
      refusalSeenAt: expect.any(String),
    },
  });

  const result = await release(run);
  expect(result).toMatchObject({
    outcome: 'released',
    level: 'contained, observed',
    proof: status.proof,
    canPublishAgainAt: expect.any(String),
    decisions: [expect.stringContaining('release by responder: a test')],
  });
  expect(await readState(bed.clients, thing)).toEqual(before);
  expect((await bed.guard.status()).leases).toEqual([]);
});
