import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  AddThingToThingGroupCommand,
  CreateThingGroupCommand,
  DetachPolicyCommand,
  RemoveThingFromThingGroupCommand,
} from '@aws-sdk/client-iot';
import { GetConnectionCommand } from '@aws-sdk/client-iot-data-plane';
import type { WorkflowHandle } from '@temporalio/client';
import type { Alarm } from '../../domain/alarm/types';
import { readState } from '../chaos/device-state';
import { eventually } from '../support/devices';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { alarmOf } from './alarms';
import { allow, attachOwnPolicy } from './policies';
import { BY, held, refusalOf, release, statusOf, untilPhase, untilStatus, update } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(20));

const connected = async (clientId: string): Promise<boolean> =>
  (await bed.clients.iotData.send(new GetConnectionCommand({ clientId }))).connected === true;

it('escalates: certificates INACTIVE, session gone and not back, until released', async () => {
  const { thing, certificateArn } = await bed.device('h-escalated');
  const before = await readState(bed.clients, thing);
  const run = await held(bed, thing);
  await eventually(
    () => connected(thing),
    (is) => is,
  );

  expect(await update(run, 'escalate', BY)).toBe('every certificate is INACTIVE');

  expect((await readState(bed.clients, thing))[`status of ${certificateArn}`]).toBe('INACTIVE');
  await eventually(
    () => connected(thing),
    (is) => !is,
  );
  expect(await refusalOf(update(run, 'escalate', BY))).toMatchObject({
    message: 'the certificates are INACTIVE already',
  });
  expect(await release(run)).toMatchObject({ outcome: 'released', escalated: true });
  expect(await readState(bed.clients, thing)).toEqual(before);
  await eventually(
    () => connected(thing),
    (is) => is,
  );
});

it('refuses to release what somebody changed, names it, and releases once it is undone', async () => {
  const { iot } = bed.clients;
  const { thing, certificateArn } = await bed.device('h-drift');
  const before = await readState(bed.clients, thing);
  const run = await held(bed, thing);
  const membership = { thingName: thing, thingGroupName: 'h-added-group' };
  await iot.send(new CreateThingGroupCommand({ thingGroupName: 'h-added-group' }));
  await iot.send(new AddThingToThingGroupCommand(membership));
  await attachOwnPolicy(bed.clients, 'h-added-policy', certificateArn, [
    allow('iot:Publish', 'topic/dt/h-drift/more'),
  ]);

  const refusal = await refusalOf(update(run, 'release', BY));
  expect(refusal.type).toBe('Refused');
  expect(refusal.message).toContain('group h-added-group was added');
  expect(refusal.message).toContain('h-added-policy was added');
  expect((await statusOf(run)).phase).toBe('holding');

  await iot.send(new RemoveThingFromThingGroupCommand(membership));
  await iot.send(new DetachPolicyCommand({ policyName: 'h-added-policy', target: certificateArn }));
  expect((await release(run)).outcome).toBe('released');
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it('stays contained when the hold runs out, and extendHold moves the deadline', async () => {
  const { thing } = await bed.device('h-overdue');
  const run = await held(bed, thing, { settings: { holdFor: '1 second' } });
  await untilPhase(run, 'overdue');
  expect(await statusOf(run)).toMatchObject({ level: expect.stringMatching(/^contained/) });

  const answer = await update(run, 'extendHold', { ...BY, holdFor: '2 hours' });
  const until = Date.parse(String(answer).replace('held until ', ''));
  expect(until - Date.now()).toBeGreaterThan(60 * 60 * 1000);
  await untilPhase(run, 'holding');
  expect((await release(run)).outcome).toBe('released');
});

async function updateEvents(run: WorkflowHandle): Promise<number> {
  const { events } = await run.fetchHistory();
  return (events ?? []).filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes)
    .length;
}

it('refuses wrong Updates with a clear text and without an event', async () => {
  const { thing } = await bed.device('h-wrong');
  const run = await held(bed, thing);
  const wrong: ['release' | 'extendHold' | 'escalate' | 'approve', unknown[], RegExp][] = [
    ['release', [], /by: must be a text; reason: must be a text/],
    ['release', [null], /by: must be a text/],
    ['release', ['now'], /by: must be a text/],
    ['release', [{ by: 7, reason: 'x' }], /^by: must be a text\./],
    ['release', [{ ...BY, force: true }], /force: is not a field of this Update/],
    ['escalate', [{ by: 'x', reason: ' ' }], /reason: must be a text/],
    ['extendHold', [BY], /holdFor: must be a text/],
    ['extendHold', [{ ...BY, holdFor: 'a while' }], /holdFor: must be a duration/],
    ['extendHold', [{ ...BY, holdFor: '1 year' }], /holdFor: must be a duration/],
    ['approve', [{}], /token: must be a text/],
    ['approve', [{ token: 'x' }], /nothing awaits approval: the phase is holding/],
  ];
  for (const [name, args, why] of wrong)
    expect(await refusalOf(update(run, name, ...args))).toEqual({
      type: 'Refused',
      message: expect.stringMatching(why),
    });
  expect(await updateEvents(run)).toBe(0);
  await update(run, 'extendHold', { ...BY, holdFor: '1 hour' });
  expect(await updateEvents(run)).toBe(1);
  await release(run);
});

it('answers every one of two releases that come at once, and ends', async () => {
  const { thing } = await bed.device('h-twice');
  const run = await held(bed, thing);
  const answers = await Promise.allSettled([
    update(run, 'release', BY),
    update(run, 'release', BY),
  ]);
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect((await run.result()).outcome).toBe('released');
});

it('counts an alarm once, and contains again at once when one comes during probation', async () => {
  const { thing } = await bed.device('h-relapse');
  const before = await readState(bed.clients, thing);
  const run = await held(bed, thing, { settings: { probation: '1 hour' } });
  const alarm: Alarm = alarmOf(bed, thing, 1);
  await update(run, 'alarm', { alarm, eventId: 'first' });
  await update(run, 'alarm', { alarm, eventId: 'first' });
  await update(run, 'alarm', { alarm, eventId: 'second' });
  expect((await statusOf(run)).alarms).toBe(2);

  const { runId } = await run.describe();
  await update(run, 'release', BY);
  await untilPhase(run, 'probation');
  expect(await readState(bed.clients, thing)).toEqual(before);
  await update(run, 'alarm', { alarm, eventId: 'third' });

  const again = bed.temporal.workflow.getHandle<() => Promise<never>>(run.workflowId);
  await eventually(
    () => again.describe(),
    (now) => now.runId !== runId,
  );
  await untilStatus(again, ({ level }) => level === 'contained, observed');
  await untilPhase(again, 'holding');
  expect((await readState(bed.clients, thing)).groups).not.toBe(before.groups);
});
