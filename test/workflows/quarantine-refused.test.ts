import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AddThingToThingGroupCommand,
  CreateThingGroupCommand,
  RemoveThingFromThingGroupCommand,
} from '@aws-sdk/client-iot';
import { NAMES } from '../../domain/names';
import { readState, type DeviceState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { allow, attachOwnPolicy } from './policies';
import {
  BY,
  refusalOf,
  release,
  startRun,
  untilPendingFailure,
  untilPhase,
  update,
  type Run,
} from './runs';

let bed: Bed;
const owner = 'test/quarantine-refused';
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(10));

/** The run is refused, and neither the device nor the guard shows a trace of it. */
async function expectRefused(thing: string, run: Run, before: DeviceState, why: RegExp) {
  expect(await run.result()).toMatchObject({
    outcome: 'refused',
    level: 'not contained',
    summary: expect.stringMatching(why),
  });
  expect(await readState(bed.clients, thing)).toEqual(before);
  expect((await bed.guard.status()).leases.filter((lease) => lease.thing === thing)).toEqual([]);
}

async function addToNewGroup(thing: string, thingGroupName: string): Promise<string> {
  const { iot } = bed.clients;
  const { thingGroupArn } = await iot.send(new CreateThingGroupCommand({ thingGroupName }));
  await iot.send(new AddThingToThingGroupCommand({ thingName: thing, thingGroupName }));
  return thingGroupArn ?? '';
}

describe('with the automatic cap used up', () => {
  beforeEach(async () => {
    await bed.allowAutomatically(1);
    await bed.guard.adopt({ things: ['r-other'], owner, workflowId: owner });
  });
  afterEach(() => bed.guard.giveBack({ owner, fence: 1, things: ['r-other'] }));

  it('adopts nothing that is not contained: adopting asks no caps', async () => {
    const thing = 'r-adopt';
    await bed.enrol(thing);
    const before = await readState(bed.clients, thing);
    const run = await startRun(bed, thing, { adopt: true });
    await expectRefused(thing, run, before, /nothing to adopt/);
  });

  it('refuses when nobody approves in time', async () => {
    const thing = 'r-cap';
    await bed.enrol(thing);
    const before = await readState(bed.clients, thing);
    const run = await startRun(bed, thing, { settings: { approveWithin: '1 second' } });
    await expectRefused(thing, run, before, /1 may be without a person/);
  });

  it('contains once two distinct approvers signed, and not before', async () => {
    const thing = 'r-approved';
    await bed.device(thing);
    const run = await startRun(bed, thing, { requestedBy: 'carl' });
    await untilPhase(run, 'awaitingApproval');
    const { targetHash } = await run.query<{ targetHash: string }>('approvalTarget');
    const target = { workflowId: run.workflowId, targetHash };

    const forged = { token: `${(await bed.approvers.sign('ann', target)).token}x` };
    await expect(update(run, 'approve', forged)).rejects.toThrow();
    const elsewhere = await bed.approvers.sign('ann', {
      ...target,
      workflowId: 'quarantine/other',
    });
    await expect(update(run, 'approve', elsewhere)).rejects.toThrow();
    await update(run, 'approve', await bed.approvers.sign('ann', target));
    await update(run, 'approve', await bed.approvers.sign('ann', target));
    await untilPhase(run, 'awaitingApproval');
    expect(await update(run, 'approve', await bed.approvers.sign('ben', target))).toBe(
      'approved so far by ann, ben',
    );
    await untilPhase(run, 'holding');
    expect((await release(run)).outcome).toBe('released');
  });
});

it('refuses a thing that is in as many groups as AWS allows', async () => {
  const thing = 'r-groups';
  await bed.enrol(thing);
  for (let number = 1; number <= 8; number += 1) await addToNewGroup(thing, `r-group-${number}`);
  const before = await readState(bed.clients, thing);
  expect(before.groups?.split(', ')).toHaveLength(10);
  await expectRefused(thing, await startRun(bed, thing), before, /in 10 groups and AWS allows 10/);
});

it('refuses a thing that a group policy allows more than quarantine denies', async () => {
  const thing = 'r-group-policy';
  await bed.enrol(thing);
  const group = await addToNewGroup(thing, 'r-generous');
  await attachOwnPolicy(bed.clients, 'r-generous', group, [allow('iot:Publish', 'topic/fleet/*')]);
  const before = await readState(bed.clients, thing);
  await expectRefused(thing, await startRun(bed, thing), before, /r-generous allows iot:Publish/);
});

it('refuses a thing that is in the quarantine group without a record', async () => {
  const thing = 'r-unrecorded';
  await bed.enrol(thing);
  const membership = { thingName: thing, thingGroupName: NAMES.quarantineGroup };
  await bed.clients.iot.send(new AddThingToThingGroupCommand(membership));
  const before = await readState(bed.clients, thing);
  await expectRefused(thing, await startRun(bed, thing), before, /has no containment record/);
  await bed.clients.iot.send(new RemoveThingFromThingGroupCommand(membership));
});

it('waits before its next act while the kill switch is at stop, says so, and goes on after', async () => {
  const thing = 'r-stopped';
  await bed.device(thing);
  const before = await readState(bed.clients, thing);
  await bed.guard.setSwitch({ state: 'stop', ...BY });
  const run = await startRun(bed, thing);
  expect(await untilPendingFailure(run)).toEqual([expect.stringMatching(/reserve: .*a test/)]);
  expect(await readState(bed.clients, thing)).toEqual(before);

  await bed.guard.setSwitch({ state: 'run', ...BY });
  await untilPhase(run, 'holding');
  await bed.guard.setSwitch({ state: 'stop', ...BY });
  const escalated = update(run, 'escalate', BY);
  expect(await untilPendingFailure(run)).toEqual([expect.stringMatching(/escalate: .*a test/)]);
  expect(JSON.stringify(await readState(bed.clients, thing))).not.toContain('INACTIVE');
  await bed.guard.setSwitch({ state: 'run', ...BY });
  expect(await escalated).toBe('every certificate is INACTIVE');
  await bed.guard.setSwitch({ state: 'stop', ...BY });
  // Undoing never asks the switch.
  expect((await release(run)).outcome).toBe('released');
  await bed.guard.setSwitch({ state: 'run', ...BY });
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it('waits while the guard cannot be reached', async () => {
  const thing = 'r-unguarded';
  await bed.device(thing);
  const before = await readState(bed.clients, thing);
  const { remove } = bed.proxy.use({
    before: ({ service }) => (service === 'dynamodb' ? 'drop' : undefined),
  });
  const run = await startRun(bed, thing);
  const failures = await untilPendingFailure(run);
  remove();
  expect(failures).toEqual([expect.stringMatching(/^reserve: .*guard/i)]);
  expect(await readState(bed.clients, thing)).toEqual(before);
  await untilPhase(run, 'holding');
  expect((await release(run)).outcome).toBe('released');
});

it('refuses Updates that fit no phase with what the phase is', async () => {
  const thing = 'r-phase';
  await bed.device(thing);
  await bed.allowAutomatically(1);
  await bed.guard.adopt({ things: ['r-other'], owner, workflowId: owner });
  const run = await startRun(bed, thing);
  await untilPhase(run, 'awaitingApproval');
  expect(await refusalOf(update(run, 'release', BY))).toEqual({
    type: 'Refused',
    message: expect.stringMatching(/^the device is not held: the phase is awaitingApproval/),
  });
  await run.cancel();
});
