import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { DetachPolicyCommand } from '@aws-sdk/client-iot';
import type { ReconcileReport } from '../../activities/reconcile';
import { quarantineId } from '../../domain/ids';
import { NAMES } from '../../domain/names';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';
import { ensureReconcileSchedule, RECONCILE_SCHEDULE } from '../../triggers/schedules/reconcile';
import { readState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { breakGlass } from './break-glass';
import { held, startRun, untilPhase, type Run } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(10));

const reconcile = (): Promise<ReconcileReport> =>
  bed.temporal.workflow.execute<() => Promise<ReconcileReport>>(WORKFLOWS.reconcile, {
    workflowId: `reconcile-${Date.now()}`,
    taskQueue: TASK_QUEUES.runbooks,
    args: [],
  });

const openRun = (thing: string): Run => bed.temporal.workflow.getHandle(quarantineId(thing));

/** An adopted run has the probation of the runbook's file: it is ended once the device is given back. */
async function releaseAdopted(thing: string): Promise<void> {
  const run = openRun(thing);
  await untilPhase(run, 'holding');
  await run.executeUpdate('release', { args: [{ by: 'responder', reason: 'a test' }] });
  await untilPhase(run, 'probation');
  await run.terminate('the probation is an hour');
}

it('adopts a terminated run, which then restores the snapshot of the first', async () => {
  const { thing } = await bed.device('c-terminated');
  const before = await readState(bed.clients, thing);
  await (await held(bed, thing)).terminate('by mistake');

  expect((await reconcile()).adopted).toEqual([thing]);
  // A run that is open is not adopted again.
  expect((await reconcile()).adopted).toEqual([]);

  await releaseAdopted(thing);
  expect(await readState(bed.clients, thing)).toEqual(before);
  expect((await bed.guard.status()).leases).toEqual([]);
});

it('adopts what a run left in the middle of containing', async () => {
  const { thing } = await bed.device('c-middle');
  const before = await readState(bed.clients, thing);
  let arrived: () => void = () => undefined;
  const inTheMiddle = new Promise<void>((resolve) => (arrived = resolve));
  const { remove } = bed.proxy.use({
    before: ({ operation }) => {
      if (operation !== 'DeleteConnection') return undefined;
      arrived();
      return 'drop';
    },
  });
  const run = await startRun(bed, thing);
  await inTheMiddle;
  await run.terminate('in the middle');
  remove();
  expect((await reconcile()).adopted).toEqual([thing]);
  await releaseAdopted(thing);
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it.each([
  ['without Temporal', 'c-glass', {}, ''],
  ['without Temporal and the guard', 'c-glass-alone', { GUARD_TABLE: 'gone' }, 'was not told'],
])('adopts what break-glass contained %s', async (_, thing, env, said) => {
  await bed.device(thing);
  const before = await readState(bed.clients, thing);
  const answer = await breakGlass(bed, ['contain', thing, '--reason', 'down', '--by', 'ann'], env);
  expect(answer.ok).toBe(true);
  expect(answer.progress).toContain(said);
  expect((await readState(bed.clients, thing)).groups).toContain(NAMES.quarantineGroup);

  expect((await reconcile()).adopted).toEqual([thing]);
  await releaseAdopted(thing);
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it('reports a Deny that vanished from a held device', async () => {
  const { thing, certificateArn } = await bed.device('c-vanished');
  const run = await held(bed, thing);
  expect((await reconcile()).problems).toEqual([]);
  await bed.clients.iot.send(
    new DetachPolicyCommand({ policyName: NAMES.quarantinePolicy, target: certificateArn }),
  );
  expect((await reconcile()).problems).toEqual([
    expect.stringMatching(/^c-vanished is held but its certificate .* no longer carries the Deny$/),
  ]);
  await run.cancel();
  await run.result().catch(() => undefined);
});

it('gives a lease back that neither a run nor a record needs', async () => {
  const owner = quarantineId('c-stray');
  await bed.guard.adopt({ things: ['c-stray'], owner, workflowId: owner });
  expect((await reconcile()).problems).toEqual([
    `${owner} held a lease without a run: it is given back`,
  ]);
  expect((await bed.guard.status()).leases).toEqual([]);
});

it('makes its schedule once, skipping overlaps and catching up for a minute', async () => {
  const handle = bed.temporal.schedule.getHandle(RECONCILE_SCHEDULE);
  await handle.delete().catch(() => undefined);
  expect(await ensureReconcileSchedule(bed.temporal)).toBe('created');
  expect(await ensureReconcileSchedule(bed.temporal)).toBe('kept');
  const { policies } = await handle.describe();
  await handle.delete();
  expect(policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 60_000 });
});
