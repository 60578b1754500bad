import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { AttachThingPrincipalCommand, CreateThingCommand } from '@aws-sdk/client-iot';
import { NAMES } from '../../domain/names';
import { readState } from '../chaos/device-state';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { release, startRun, untilPhase, type Run } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(20));

/** `holding` is a run that holds its device, `refused` one that ended without touching it. */
async function outcomeOf(run: Run): Promise<{ run: Run; summary: string | null }> {
  const holding = untilPhase(run, 'holding').then(() => ({ run, summary: null }));
  const ended = run.result().then(({ outcome, summary }) => {
    expect(outcome).toBe('refused');
    return { run, summary };
  });
  holding.catch(() => undefined);
  ended.catch(() => undefined);
  return Promise.any([holding, ended]);
}

it.each([1, 2])(
  'lets one of two things that share a certificate contain both, asked at one moment (%d)',
  async (nth) => {
    const { iot } = bed.clients;
    const [one, other] = [`s-one-${nth}`, `s-other-${nth}`];
    const { certificateArn } = await bed.enrol(one);
    await iot.send(new CreateThingCommand({ thingName: other }));
    await iot.send(
      new AttachThingPrincipalCommand({ thingName: other, principal: certificateArn }),
    );
    const states = () => Promise.all([one, other].map((thing) => readState(bed.clients, thing)));
    const before = await states();

    const settings = { proveWithin: '1 second' };
    const runs = await Promise.all([one, other].map((thing) => startRun(bed, thing, { settings })));
    const ends = await Promise.all(runs.map(outcomeOf));

    const winners = ends.filter(({ summary }) => summary === null);
    const losers = ends.filter(({ summary }) => summary !== null);
    expect([winners.length, losers.length]).toEqual([1, 1]);
    const [winner] = winners;
    if (winner === undefined) throw new Error('one run holds the device');
    expect(losers[0]?.summary).toContain(winner.run.workflowId);
    const { leases } = await bed.guard.status();
    expect(leases.map(({ thing }) => thing).sort()).toEqual([one, other]);
    expect(new Set(leases.map(({ owner }) => owner))).toEqual(new Set([winner.run.workflowId]));
    const held = await states();
    expect(held.filter(({ groups }) => groups?.includes(NAMES.quarantineGroup))).toHaveLength(1);
    for (const state of held)
      expect(state[`policies of ${certificateArn}`]).toContain(NAMES.quarantinePolicy);

    expect((await release(winner.run)).outcome).toBe('released');
    expect(await states()).toEqual(before);
    expect((await bed.guard.status()).leases).toEqual([]);
  },
);
