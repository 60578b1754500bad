import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { GetConnectionCommand } from '@aws-sdk/client-iot-data-plane';
import mqtt from 'mqtt';
import type { QuarantineStatus } from '../../domain/quarantine/types';
import { eventually } from '../support/devices';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { startRun, untilStatus, type Run } from './runs';

const DELAY_MS = 2000;

let bed: Bed;
beforeAll(async () => {
  // As AWS does, the broker goes on with the old policies for a while.
  bed = await openBed(await temporalAddress(), { policyDelayMs: DELAY_MS });
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(20));

const connection = (clientId: string) =>
  bed.clients.iotData.send(new GetConnectionCommand({ clientId }));

async function statusesUntil(
  run: Run,
  fits: (status: QuarantineStatus) => boolean,
): Promise<QuarantineStatus[]> {
  const seen: QuarantineStatus[] = [];
  await untilStatus(run, (status) => {
    seen.push(status);
    return fits(status);
  });
  return seen;
}

it('drops a session from before the policies applied once more, and only then says contained', async () => {
  const thing = 'w-deaf';
  const { certificatePem, keyPem } = await bed.enrol(thing);
  const { host, port, caFile } = bed.emulator.mqtt;
  let connects = 0;
  // It takes no jobs and says nothing, but always comes back.
  const device = mqtt
    .connect({
      ...{ protocol: 'mqtts', host, port, ca: readFileSync(caFile) },
      ...{ cert: certificatePem, key: keyPem, clientId: thing, reconnectPeriod: 100 },
    })
    .on('connect', () => (connects += 1))
    .on('error', () => undefined);
  await eventually(
    () => connects,
    (count) => count > 0,
  );
  const first = connects;
  const dropped: number[] = [];
  const { remove } = bed.proxy.use({
    after: ({ operation }) => {
      if (operation === 'DeleteConnection') dropped.push(Date.now());
      return undefined;
    },
  });

  const run = await startRun(bed, thing, {
    settings: { propagation: '4 seconds', proveWithin: '30 seconds' },
  });
  const seen = await statusesUntil(run, ({ level }) => level !== 'not contained');
  remove();
  expect(seen.some(({ proof }) => proof?.deniedByDocumentsAt != null)).toBe(true);
  for (const { level, proof } of seen)
    if (proof?.propagatedAt == null) expect(level).toBe('not contained');
  const last = seen.at(-1);
  expect(last?.level).toBe('contained by policy');
  const applied = Date.parse(last?.proof?.propagatedAt ?? '');
  expect(applied).toBeGreaterThanOrEqual(Date.parse(last?.proof?.requestedAt ?? '') + 4000);

  expect(dropped).toHaveLength(2);
  await eventually(
    () => connects,
    (count) => count === first + 2,
  );
  expect((await connection(thing)).connectedSince).toBeGreaterThan(dropped[1] ?? Infinity);
  await device.endAsync(true);
});

it('says contained, observed as soon as a refusal is seen, however long AWS may take', async () => {
  const { thing } = await bed.device('w-agent');
  const run = await startRun(bed, thing, { settings: { propagation: '1 hour' } });
  const { proof } = await untilStatus(run, ({ level }) => level === 'contained, observed');
  expect(proof).toMatchObject({ propagatedAt: null, refusalSeenAt: expect.any(String) });
});
