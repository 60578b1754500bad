import {
  CancelJobCommand,
  CancelJobExecutionCommand,
  CreateJobCommand,
  CreateThingCommand,
  DeleteJobCommand,
  DeleteThingCommand,
  DescribeJobCommand,
  ListJobExecutionsForJobCommand,
  ListJobExecutionsForThingCommand,
} from '@aws-sdk/client-iot';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { START_TIMEOUT_MS, clientsOf } from './support';

const THINGS = ['a', 'b', 'c'];
const JOBS = ['one', 'two', 'three'];

const emulators: Emulator[] = [];
beforeAll(async () => {
  emulators.push(await startEmulator());
  emulators.push(await startEmulator({ withoutPatches: ['execution_index'] }));
}, START_TIMEOUT_MS);
afterAll(() => Promise.all(emulators.map((emulator) => emulator.stop())));

/** What is told of every job and every thing after each of many changes. */
async function history(emulator: Emulator): Promise<unknown[]> {
  const { iot } = clientsOf(emulator);
  const seen: unknown[] = [];
  const look = async (): Promise<void> => {
    for (const jobId of JOBS) {
      const told = await iot.send(new DescribeJobCommand({ jobId })).catch(() => null);
      const listed = await iot
        .send(new ListJobExecutionsForJobCommand({ jobId }))
        .catch(() => null);
      seen.push({
        status: told?.job?.status,
        counts: told?.job?.jobProcessDetails,
        things: listed?.executionSummaries?.map(({ thingArn }) => thingArn?.slice(-1)).sort(),
      });
    }
    for (const thingName of THINGS) {
      const listed = await iot
        .send(new ListJobExecutionsForThingCommand({ thingName }))
        .catch(() => null);
      seen.push(
        listed?.executionSummaries?.map(({ jobId, jobExecutionSummary }) => [
          jobId,
          jobExecutionSummary?.status,
        ]),
      );
    }
  };
  const arn = (thing: string): string =>
    `arn:aws:iot:${emulator.region}:${emulator.accountId}:thing/${thing}`;
  for (const thingName of THINGS) await iot.send(new CreateThingCommand({ thingName }));
  for (const [at, jobId] of JOBS.entries()) {
    const targets = THINGS.slice(0, 3 - at).map(arn);
    await iot.send(new CreateJobCommand({ jobId, targets, document: '{}' }));
    await look();
  }
  await iot.send(new CancelJobExecutionCommand({ jobId: 'two', thingName: 'b', force: true }));
  await look();
  await iot.send(new CancelJobExecutionCommand({ jobId: 'three', thingName: 'a', force: true }));
  await look();
  await iot.send(new CancelJobCommand({ jobId: 'one', force: true }));
  await look();
  await iot.send(new DeleteJobCommand({ jobId: 'three', force: true }));
  await look();
  await iot.send(new DeleteThingCommand({ thingName: 'a' }));
  await look();
  return seen;
}

it('tells of jobs and things what the stock emulator does, which looks through all executions', async () => {
  const [indexed, stock] = await Promise.all(emulators.map((emulator) => history(emulator)));
  expect(indexed).toEqual(stock);
  expect(indexed).toContainEqual([
    ['one', 'QUEUED'],
    ['two', 'CANCELED'],
  ]);
  expect(indexed).toContainEqual(expect.objectContaining({ status: 'COMPLETED' }));
}, 60_000);
