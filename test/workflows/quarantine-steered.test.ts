import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateKeysAndCertificateCommand,
  DeleteCertificateCommand,
  DescribeJobExecutionCommand,
  DetachPolicyCommand,
  DetachThingPrincipalCommand,
  ListJobExecutionsForThingCommand,
  UpdateCertificateCommand,
} from '@aws-sdk/client-iot';
import { WorkflowFailedError } from '@temporalio/client';
import { NAMES } from '../../domain/names';
import { readState } from '../chaos/device-state';
import { eventually } from '../support/devices';
import { temporalAddress } from '../support/temporal';
import { breakGlass } from './break-glass';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import {
  BY,
  held,
  refusalOf,
  release,
  startRun,
  untilPending,
  untilPhase,
  untilStatus,
  update,
  type Run,
} from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(20));
afterEach(() => bed.guard.setSwitch({ state: 'run', ...BY }));

/** The switch is at stop from the moment the session is dropped: nothing after that may act. */
async function heldAtStop(thing: string): Promise<Run> {
  const { remove } = bed.proxy.use({
    after: async ({ operation }) => {
      if (operation === 'DeleteConnection') await bed.guard.setSwitch({ state: 'stop', ...BY });
      return undefined;
    },
  });
  const run = await startRun(bed, thing, { settings: { proveWithin: '1 second' } });
  await untilPhase(run, 'holding');
  remove();
  return run;
}

it('releases while the kill switch keeps the device from being told to stop', async () => {
  const { thing } = await bed.device('s-stopped');
  const before = await readState(bed.clients, thing);
  const run = await heldAtStop(thing);
  await untilPending(run, 'cancelOtherJobs');
  expect(await release(run)).toMatchObject({ outcome: 'released', applicationStoppedAt: null });
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it('gives up an escalate that waits on the kill switch when a release comes', async () => {
  const { thing, certificateArn } = await bed.device('s-escalating');
  const before = await readState(bed.clients, thing);
  const run = await heldAtStop(thing);
  const escalating = refusalOf(update(run, 'escalate', BY));
  await untilPending(run, 'escalate');
  expect((await readState(bed.clients, thing))[`status of ${certificateArn}`]).toBe('ACTIVE');
  expect(await release(run)).toMatchObject({ outcome: 'released' });
  expect((await escalating).message).toContain('a release came before');
  expect(await readState(bed.clients, thing)).toEqual(before);
});

async function resumeJobs(thing: string): Promise<string[]> {
  const { executionSummaries = [] } = await bed.clients.iot.send(
    new ListJobExecutionsForThingCommand({ thingName: thing }),
  );
  return executionSummaries.flatMap(({ jobId = '' }) =>
    jobId.startsWith('quarantine-resume-') ? [jobId] : [],
  );
}

/** The agent answers SUCCEEDED only once its application runs again. */
async function untilResumed(thing: string): Promise<void> {
  const [jobId, ...more] = await resumeJobs(thing);
  expect(more).toEqual([]);
  await eventually(
    async () =>
      (await bed.clients.iot.send(new DescribeJobExecutionCommand({ jobId, thingName: thing })))
        .execution?.status,
    (status) => status === 'SUCCEEDED',
  );
}

const stopped = (run: Run) =>
  untilStatus(run, ({ applicationStoppedAt }) => applicationStoppedAt !== null);

it('starts the application again when a held run is cancelled', async () => {
  const { thing } = await bed.device('s-cancelled');
  const run = await held(bed, thing);
  await stopped(run);
  expect(await resumeJobs(thing)).toEqual([]);
  await run.cancel();
  await run.result().catch(() => undefined);
  await untilResumed(thing);
});

it('starts the application again by break-glass, with one job however often it is typed', async () => {
  const { thing } = await bed.device('s-glass');
  const run = await held(bed, thing);
  await stopped(run);
  const typed = ['release', thing, '--reason', 'down', '--by', 'ann'];
  expect((await breakGlass(bed, typed)).ok).toBe(true);
  await breakGlass(bed, typed);
  await untilResumed(thing);
  await run.cancel();
  await run.result().catch(() => undefined);
  expect(await resumeJobs(thing)).toHaveLength(1);
});

async function secondCertificate(thing: string): Promise<string> {
  const { iot } = bed.clients;
  const { certificateArn = '' } = await iot.send(
    new CreateKeysAndCertificateCommand({ setAsActive: true }),
  );
  const target = certificateArn;
  await iot.send(new AttachPolicyCommand({ policyName: NAMES.devicePolicy, target }));
  await iot.send(new AttachThingPrincipalCommand({ thingName: thing, principal: target }));
  return target;
}

async function deleteCertificate(thing: string, target: string): Promise<void> {
  const { iot } = bed.clients;
  const certificateId = target.slice(target.indexOf('/') + 1);
  for (const policyName of [NAMES.quarantinePolicy, NAMES.devicePolicy])
    await iot.send(new DetachPolicyCommand({ policyName, target }));
  await iot.send(new DetachThingPrincipalCommand({ thingName: thing, principal: target }));
  await iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'INACTIVE' }));
  await iot.send(new DeleteCertificateCommand({ certificateId }));
}

it('takes a device over though one of its certificates is gone, and gives the rest back', async () => {
  const { thing, certificateArn } = await bed.device('s-deleted');
  const gone = await secondCertificate(thing);
  await (await held(bed, thing)).terminate('by mistake');
  await deleteCertificate(thing, gone);
  const run = await held(bed, thing, { adopt: true });
  const now = await readState(bed.clients, thing);
  expect(now).toMatchObject({
    groups: expect.stringContaining(NAMES.quarantineGroup),
    [`policies of ${certificateArn}`]: expect.stringContaining(NAMES.quarantinePolicy),
    record: `contained/${thing}.json`,
  });
  await run.terminate('the test is over');
});

it('leaves a device contained when the run that takes it over fails', async () => {
  const { thing } = await bed.device('s-unattachable');
  await (await held(bed, thing)).terminate('by mistake');
  const contained = await readState(bed.clients, thing);
  const { remove } = bed.proxy.use({
    before: ({ operation }) =>
      operation === 'AttachPolicy'
        ? {
            status: 410,
            headers: {
              'content-type': 'application/json',
              'x-amzn-errortype': 'LimitExceededException',
            },
            body: '{"message":"no more policies"}',
          }
        : undefined,
  });
  const run = await startRun(bed, thing, { adopt: true });
  await expect(run.result()).rejects.toThrow(WorkflowFailedError);
  remove();
  expect((await run.describe()).status.name).toBe('FAILED');
  expect(await readState(bed.clients, thing)).toEqual(contained);
  expect(contained.groups).toContain(NAMES.quarantineGroup);
});
