import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { alarmIntakeId } from '../../domain/alarm/intake-id';
import type { Alarm } from '../../domain/alarm/types';
import { quarantineId } from '../../domain/ids';
import { createIntake, type Intake } from '../../triggers/webhook/intake';
import { readState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { alarmOf } from './alarms';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { BY, statusOf, untilPhase, update } from './runs';

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
beforeEach(() => bed.allowAutomatically(10));

const take = (alarm: Alarm) =>
  intake.start({
    alarm,
    route: {
      runbook: 'quarantine',
      thing: alarm.dimensions['ThingName'] ?? '',
      severity: 'high',
    },
  });

const delivered = (alarm: Alarm) => bed.temporal.workflow.getHandle(alarmIntakeId(alarm)).result();

async function runsOf(thing: string): Promise<string[]> {
  const runs: string[] = [];
  const query = `WorkflowId = '${quarantineId(thing)}'`;
  for await (const { runId } of bed.temporal.workflow.list({ query })) runs.push(runId);
  return runs;
}

it('makes one run of one alarm event, however often it comes at once', async () => {
  const { thing } = await bed.device('i-storm');
  const alarm = alarmOf(bed, thing, 1);
  const answers = await Promise.all(Array.from({ length: 20 }, () => take(alarm)));
  expect(answers.filter((answer) => answer === 'started')).toHaveLength(1);
  await delivered(alarm);
  const run = bed.temporal.workflow.getHandle(quarantineId(thing));
  await untilPhase(run, 'holding');
  expect((await statusOf(run)).alarms).toBe(1);
  expect(await runsOf(thing)).toHaveLength(1);
  // Closed ids are refused too: the event is remembered after its intake has ended.
  expect(await take(alarm)).toBe('duplicate');
});

it('tells the open run of a second event, and contains again once it is closed', async () => {
  const { thing } = await bed.device('i-again');
  const before = await readState(bed.clients, thing);
  const [first, second, third] = [1, 2, 3].map((nth) => alarmOf(bed, thing, nth));
  if (!first || !second || !third) throw new Error('three alarms');
  for (const alarm of [first, second]) {
    expect(await take(alarm)).toBe('started');
    await delivered(alarm);
  }
  const run = bed.temporal.workflow.getHandle(quarantineId(thing));
  await untilPhase(run, 'holding');
  expect((await statusOf(run)).alarms).toBe(2);
  const { runId } = await run.describe();

  await update(run, 'release', BY);
  await untilPhase(run, 'probation');
  expect(await readState(bed.clients, thing)).toEqual(before);
  // Ends the run: an intake has no short probation.
  await run.terminate('the probation of an alarm is an hour');
  expect(await take(third)).toBe('started');
  await delivered(third);
  const again = bed.temporal.workflow.getHandle(quarantineId(thing));
  await untilPhase(again, 'holding');
  expect((await again.describe()).runId).not.toBe(runId);
  expect((await statusOf(again)).alarms).toBe(1);
});
