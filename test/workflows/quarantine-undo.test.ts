import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  CreatePolicyCommand,
  DeletePolicyCommand,
  DetachPolicyCommand,
  AttachPolicyCommand,
  GetPolicyCommand,
} from '@aws-sdk/client-iot';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import { NAMES } from '../../domain/names';
import { readState, type DeviceState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { held, startRun, untilPhase, type Run } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(10));

async function expectCancelled(thing: string, run: Run, before: DeviceState): Promise<void> {
  const failure = await run.result().catch((err: unknown) => err);
  expect(failure).toBeInstanceOf(WorkflowFailedError);
  expect((failure as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  expect((await run.describe()).status.name).toBe('CANCELLED');
  expect(await readState(bed.clients, thing)).toEqual(before);
  expect((await bed.guard.status()).leases).toEqual([]);
}

it('restores the device when cancelled while holding', async () => {
  const { thing } = await bed.device('u-holding');
  const before = await readState(bed.clients, thing);
  const run = await held(bed, thing);
  expect(await readState(bed.clients, thing)).not.toEqual(before);
  await run.cancel();
  await expectCancelled(thing, run, before);
});

it.each(['AddThingToThingGroup', 'DeleteConnection', 'CreateJob'])(
  'restores the device when cancelled in the middle of %s',
  async (operation) => {
    const { thing } = await bed.device(`u-${operation}`);
    const before = await readState(bed.clients, thing);
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    let arrived: () => void = () => undefined;
    const inTheMiddle = new Promise<void>((resolve) => (arrived = resolve));
    const { remove } = bed.proxy.use({
      before: async (call) => {
        if (call.operation !== operation) return undefined;
        arrived();
        await gate;
        return undefined;
      },
    });
    const run = await startRun(bed, thing);
    await inTheMiddle;
    await run.cancel();
    setTimeout(goOn, 500);
    await expectCancelled(thing, run, before);
    remove();
  },
);

it('changes nothing when cancelled while it awaits approval', async () => {
  const thing = 'u-awaiting';
  await bed.enrol(thing);
  const before = await readState(bed.clients, thing);
  await bed.allowAutomatically(1);
  const other = { things: ['u-other'], owner: 'test/undo', workflowId: 'test/undo' };
  const lease = await bed.guard.adopt(other);
  const run = await startRun(bed, thing);
  await untilPhase(run, 'awaitingApproval');
  await run.cancel();
  await run.result().catch(() => undefined);
  await bed.guard.giveBack(lease);
  await expectCancelled(thing, run, before);
});

it('restores the device when a step fails for good', async () => {
  const { iot } = bed.clients;
  const { thing } = await bed.device('u-failed');
  const before = await readState(bed.clients, thing);
  const { policyDocument } = await iot.send(
    new GetPolicyCommand({ policyName: NAMES.quarantinePolicy }),
  );
  const { region, accountId } = bed.emulator;
  const target = `arn:aws:iot:${region}:${accountId}:thinggroup/${NAMES.quarantineGroup}`;
  // Gone after the snapshot was taken, before the Deny is attached.
  const { remove } = bed.proxy.use({
    before: async ({ operation }) => {
      if (operation !== 'AttachPolicy') return undefined;
      const policyName = NAMES.quarantinePolicy;
      await iot.send(new DetachPolicyCommand({ policyName, target }));
      await iot.send(new DeletePolicyCommand({ policyName }));
      return undefined;
    },
  });
  const run = await startRun(bed, thing);
  await expect(run.result()).rejects.toThrow(WorkflowFailedError);
  remove();
  expect((await run.describe()).status.name).toBe('FAILED');
  expect(await readState(bed.clients, thing)).toEqual(before);
  expect((await bed.guard.status()).leases).toEqual([]);
  const restored = { policyName: NAMES.quarantinePolicy, policyDocument };
  await iot.send(new CreatePolicyCommand(restored));
  await iot.send(new AttachPolicyCommand({ policyName: NAMES.quarantinePolicy, target }));
});
