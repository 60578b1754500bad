import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  DeleteThingCommand,
  DetachThingPrincipalCommand,
  ListThingPrincipalsCommand,
} from '@aws-sdk/client-iot';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { ReconcileReport } from '../../activities/reconcile';
import { alarmIntakeId } from '../../domain/alarm/intake-id';
import { quarantineId } from '../../domain/ids';
import { NAMES, recordsBucket } from '../../domain/names';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';
import { createIntake, type Intake } from '../../triggers/webhook/intake';
import { readState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { alarmOf } from './alarms';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { breakGlass } from './break-glass';
import {
  BY,
  held,
  startRun,
  statusOf,
  untilPendingFailure,
  untilPhase,
  update,
  type Run,
} from './runs';

let bed: Bed;
let intake: Intake;
beforeAll(async () => {
  const address = await temporalAddress();
  bed = await openBed(address);
  intake = createIntake({ connection: { address }, namespace: 'default' });
}, OPEN_TIMEOUT_MS);
afterAll(async () => {
  await intake.close();
  await bed.close();
});
beforeEach(() => bed.allowAutomatically(20));

const reconcile = (): Promise<ReconcileReport> =>
  bed.temporal.workflow.execute<() => Promise<ReconcileReport>>(WORKFLOWS.reconcile, {
    workflowId: `reconcile-${Date.now()}`,
    taskQueue: TASK_QUEUES.runbooks,
    args: [],
  });

const runOf = (thing: string): Run => bed.temporal.workflow.getHandle(quarantineId(thing));

const recordOf = (thing: string) => ({
  Bucket: recordsBucket(bed.emulator.accountId),
  Key: `contained/${thing}.json`,
});

async function alarmed(thing: string) {
  const alarm = alarmOf(bed, thing, 1);
  const route = { runbook: 'quarantine' as const, thing, severity: 'high' as const };
  expect(await intake.start({ alarm, route })).toBe('started');
  return bed.temporal.workflow.getHandle(alarmIntakeId(alarm));
}

it('reports a record that it cannot read, and adopts the others', async () => {
  const { s3 } = bed.clients;
  // Before and after the readable one, in the order they are looked at.
  const unreadable = ['b-0-unreadable', 'b-9-unreadable'];
  for (const thing of unreadable) {
    await bed.enrol(thing);
    await s3.send(new PutObjectCommand({ ...recordOf(thing), Body: '{"version":2}' }));
  }
  await bed.enrol('b-5-readable');
  const first = await held(bed, 'b-5-readable', { settings: { proveWithin: '1 second' } });
  await first.terminate('by mistake');

  const { adopted, problems } = await reconcile();
  expect(adopted).toEqual(['b-5-readable']);
  expect(problems).toEqual(
    unreadable.map((thing) => `${thing}: the containment record of ${thing} can't be read`),
  );
  await runOf('b-5-readable').terminate('the test is over');
  for (const thing of [...unreadable, 'b-5-readable'])
    await s3.send(new DeleteObjectCommand(recordOf(thing)));
});

it('reports the record of a thing that no longer exists, and does not adopt it', async () => {
  const { iot, s3 } = bed.clients;
  const thing = 'b-gone';
  await bed.enrol(thing);
  const run = await held(bed, thing, { settings: { proveWithin: '1 second' } });
  await run.terminate('by mistake');
  const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName: thing }));
  for (const principal of principals)
    await iot.send(new DetachThingPrincipalCommand({ thingName: thing, principal }));
  await iot.send(new DeleteThingCommand({ thingName: thing }));

  const { adopted, problems } = await reconcile();
  expect(adopted).not.toContain(thing);
  expect(problems).toContain(
    `${thing} no longer exists and its containment record does: remove contained/${thing}.json`,
  );
  await s3.send(new DeleteObjectCommand(recordOf(thing)));
});

it('ends a run that holds what break-glass released, so that the next alarm contains it again', async () => {
  const { thing } = await bed.device('b-released');
  const before = await readState(bed.clients, thing);
  const run = await held(bed, thing);
  const { runId } = await run.describe();
  await breakGlass(bed, ['release', thing, '--reason', 'down', '--by', 'ann']);

  expect((await reconcile()).problems).toContainEqual(
    expect.stringMatching(/^quarantine\/b-released held a device that was released without it/),
  );
  await run.result().catch(() => undefined);
  expect((await run.describe()).status.name).toBe('CANCELLED');
  expect(await readState(bed.clients, thing)).toEqual(before);

  await (await alarmed(thing)).result();
  await untilPhase(runOf(thing), 'holding');
  expect((await runOf(thing).describe()).runId).not.toBe(runId);
  expect((await readState(bed.clients, thing)).groups).toContain(NAMES.quarantineGroup);
  await runOf(thing).cancel();
  await runOf(thing)
    .result()
    .catch(() => undefined);
});

it('gives the certificate back that an escalated, then terminated run had set INACTIVE', async () => {
  const { thing, certificateArn } = await bed.device('b-escalated');
  const before = await readState(bed.clients, thing);
  const first = await held(bed, thing);
  await update(first, 'escalate', BY);
  await first.terminate('by mistake');
  const status = async () => (await readState(bed.clients, thing))[`status of ${certificateArn}`];
  expect(await status()).toBe('INACTIVE');

  expect((await reconcile()).adopted).toEqual([thing]);
  const adopting = runOf(thing);
  await untilPhase(adopting, 'proving');
  expect((await statusOf(adopting)).escalated).toBe(true);
  await update(adopting, 'release', BY);
  expect(await status()).toBe('ACTIVE');
  await untilPhase(adopting, 'probation');
  expect(await readState(bed.clients, thing)).toEqual(before);
  await adopting.terminate('the probation is an hour');
});

it('does not lose an alarm to a dry run: the device is contained after it', async () => {
  const { thing } = await bed.device('b-dry');
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const { remove } = bed.proxy.use({
    before: async ({ operation }) => {
      if (operation === 'GetEffectivePolicies') await gate;
      return undefined;
    },
  });
  const dry = await startRun(bed, thing, { dryRun: true });
  const { runId } = await dry.describe();
  const delivery = await alarmed(thing);
  await untilPendingFailure(delivery);
  goOn();
  remove();
  expect((await dry.result()).outcome).toBe('planned');
  await delivery.result();
  const run = runOf(thing);
  await untilPhase(run, 'holding');
  expect((await run.describe()).runId).not.toBe(runId);
  expect((await statusOf(run)).alarms).toBe(1);
  await run.cancel();
  await run.result().catch(() => undefined);
});
