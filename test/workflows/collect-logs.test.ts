import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { createChainHeads, createEvidenceStore } from '../../activities/aws/evidence-store';
import { verifyIncident } from '../../activities/evidence/verify';
import type { CollectLogsInput } from '../../domain/evidence/collect-logs';
import { logsJobId } from '../../domain/ids';
import { evidenceBucket, recordsBucket } from '../../domain/names';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';
import { readExecution } from '../support/devices';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { held, startCollection, untilSearchable } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());

const start = (thing: string, n = 1, input: Partial<CollectLogsInput> = {}) =>
  startCollection(bed, thing, n, input);

const verify = (incident: string) => {
  const { accountId } = bed.emulator;
  const store = createEvidenceStore(bed.clients.s3, evidenceBucket(accountId));
  const heads = createChainHeads(bed.clients.s3, recordsBucket(accountId));
  return verifyIncident({ store, heads }, incident, null);
};

it('keeps what the cloud and the device know, and every byte of it can be checked', async () => {
  await bed.device('logs-whole');
  const run = await start('logs-whole');
  const result = await run.result();
  expect(result).toMatchObject({ outcome: expect.any(String), hashesMatch: true });
  // The log group comes with the first line.
  expect(result.missing.filter((what) => !what.startsWith('cloud/iot-logs'))).toEqual([]);
  const { bundle } = result;
  const stored = await bed.clients.s3.send(
    new GetObjectCommand({
      Bucket: evidenceBucket(bed.emulator.accountId),
      Key: bundle?.key ?? '',
    }),
  );
  const bytes = Buffer.from((await stored.Body?.transformToByteArray()) ?? []);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(bundle?.sha256);
  expect(stored.ObjectLockLegalHoldStatus).toBe('ON');

  const verdict = await verify('device/logs-whole');
  expect(verdict).toMatchObject({ ok: true, head: result.head });
  expect(verdict.entries.map(({ what }) => what)).toEqual([
    ...['thing', 'groups', 'certificates', 'effective-policies', 'shadow', 'presence', 'jobs'].map(
      (kind) => `cloud/${kind}`,
    ),
    ...['alarms', 'metrics', 'iot-logs'].map((kind) => `cloud/${kind}`),
    'device/bundle/1',
  ]);
});

it('goes on with the chain of the incident where another collection ended', async () => {
  await bed.device('logs-twice');
  const first = await (await start('logs-twice', 1)).result();
  const second = await (await start('logs-twice', 2)).result();
  expect(second.head?.sequence).toBe(2 * (first.head?.sequence ?? 0));
  expect(await verify('device/logs-twice')).toMatchObject({ ok: true, head: second.head });
});

it('waits for an offline device and collects it as soon as it is back, contained too', async () => {
  const thing = 'logs-offline';
  await bed.enrol(thing);
  await bed.allowAutomatically(10);
  const run = await start(thing);
  await untilSearchable(run, 'waiting');
  await held(bed, thing, { settings: { proveWithin: '1 second' } });
  await bed.device(thing);
  const result = await run.result();
  expect(result).toMatchObject({ hashesMatch: true, bundle: { bytes: expect.any(Number) } });
});

it('says what is missing of a device that does not return in time, and closes its upload path', async () => {
  const thing = 'logs-absent';
  await bed.enrol(thing);
  const run = await start(thing, 1, { settings: { waitForDevice: '1 second' } });
  const result = await run.result();
  expect(result).toMatchObject({ outcome: 'partial', bundle: null, hashesMatch: null });
  expect(result.missing).toEqual([
    'device/bundle/1: nothing was uploaded',
    'device/bundle/1: the device did not answer in time',
  ]);
  const { runId } = await run.describe();
  const execution = await readExecution(bed.clients.iot, thing, logsJobId(runId, 1));
  expect(execution.status).toBe('CANCELED');
  expect(await verify(`device/${thing}`)).toMatchObject({ ok: true, head: result.head });
});

it('writes down that it was cancelled', async () => {
  const thing = 'logs-cancelled';
  await bed.enrol(thing);
  const run = await start(thing);
  await untilSearchable(run, 'waiting');
  await run.cancel();
  await expect(run.result()).rejects.toThrow();
  const { entries } = await verify(`device/${thing}`);
  expect(entries.at(-1)).toMatchObject({
    what: 'collection/cancelled',
    partial: ['a person cancelled the collection'],
  });
  const { runId } = await run.describe();
  expect((await readExecution(bed.clients.iot, thing, logsJobId(runId, 1))).status).toBe(
    'CANCELED',
  );
});

it('refuses an id that is not the one of the input, and names every wrong field', async () => {
  const wrong = await bed.temporal.workflow.start(WORKFLOWS.collectLogs, {
    workflowId: 'logs/other/1',
    taskQueue: TASK_QUEUES.runbooks,
    args: [{ thing: 'logs-absent', reason: 'x', settings: { lookBack: '1 year' } }],
  });
  await expect(wrong.result()).rejects.toMatchObject({
    cause: {
      type: 'InvalidInput',
      message: expect.stringMatching(/workflowId: must be .*settings.lookBack: must be a duration/),
    },
  });
});
