import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NAMES } from '../../domain/names';
import type { DeviceState } from '../../activities/quarantine/snapshot';
import { lastJson, type Outcome } from '../support/processes';
import { temporalAddress } from '../support/temporal';
import { changesAtAws, inWords, openGuardedFleet, type GuardedFleet } from './bed';
import { approve, askFor, raiseAlarm, runOf, statusOf, untilPhase } from './runs';

const FLEET = Array.from({ length: 12 }, (_, n) => `burst-${String(n + 1).padStart(2, '0')}`);
const ALARMED = FLEET.slice(0, 5);
const [SIXTH, SEVENTH] = [FLEET[5] ?? '', FLEET[6] ?? ''];

let fleet: GuardedFleet;
let before: Map<string, DeviceState>;
/** Of the alarmed devices, in the order in which they are contained. */
let contained: string[];
let waiting: string[];

beforeAll(async () => {
  fleet = await openGuardedFleet(await temporalAddress(), {
    fleetSize: FLEET.length,
    approvers: ['ann', 'ben', 'cid'],
  });
  await Promise.all(ALARMED.map((thing) => fleet.startAgent(thing)));
  await Promise.all(FLEET.slice(5).map((thing) => fleet.enrol(thing)));
  before = await states(FLEET);
}, 240_000);
afterAll(() => fleet.close());

async function states(things: string[]): Promise<Map<string, DeviceState>> {
  const read = async (thing: string) => [thing, await fleet.deviceState(thing)] as const;
  return new Map(await Promise.all(things.map(read)));
}
const isContained = async (thing: string): Promise<boolean> =>
  (await fleet.deviceState(thing)).groups.includes(NAMES.quarantineGroup);

async function tokenOf(as: string, thing: string): Promise<string> {
  const signed = await fleet.guardCli('approve', `quarantine/${thing}`, '--as', as, '--json');
  return String(lastJson(signed)['token']);
}
const approveAs = async (as: string, thing: string) =>
  approve(runOf(fleet, thing), await tokenOf(as, thing));

describe('a burst of alarms on 5 of 12 devices', () => {
  it('contains one device by itself and asks people about the other four', async () => {
    await Promise.all(ALARMED.map((thing) => raiseAlarm(fleet, thing)));
    const phases = await Promise.all(
      ALARMED.map((thing) => untilPhase(runOf(fleet, thing), 'holding', 'awaitingApproval')),
    );
    contained = ALARMED.filter((_, n) => phases[n] === 'holding');
    waiting = ALARMED.filter((_, n) => phases[n] === 'awaitingApproval');
    expect({ contained: contained.length, waiting: waiting.length }).toEqual({
      contained: 1,
      waiting: 4,
    });
    expect(await statusOf(runOf(fleet, contained[0] ?? ''))).toMatchObject({
      level: 'contained, observed',
    });
    expect(await fleet.guard.status()).toMatchObject({ containedNow: 1, automaticCap: 1 });
  }, 60_000);

  it('changes nothing at AWS for those that wait', async () => {
    expect(await states(waiting)).toEqual(
      new Map(waiting.map((thing) => [thing, before.get(thing)])),
    );
    const [first = ''] = contained;
    const names = [first, ...(before.get(first)?.certificates.map(({ arn }) => arn) ?? [])];
    const changes = changesAtAws(fleet.proxy);
    expect(inWords(changes)).toContain(`iotdata.DeleteConnection ${first}`);
    const strays = changes.filter(
      ({ input, target }) =>
        !names.some((name) => `${JSON.stringify(input)} ${target ?? ''}`.includes(name)),
    );
    expect(inWords(strays)).toEqual([]);
  });

  it('contains a second once two distinct people approved it, and not before', async () => {
    const [thing = ''] = waiting;
    expect(await approveAs('ann', thing)).toEqual({ answer: 'approved so far by ann' });
    // Twice the same person is one person, with the same token or with a new one.
    expect(await approveAs('ann', thing)).toEqual({ answer: 'approved so far by ann' });
    expect(await statusOf(runOf(fleet, thing))).toMatchObject({ phase: 'awaitingApproval' });
    expect(await isContained(thing)).toBe(false);

    expect(await approveAs('ben', thing)).toEqual({ answer: 'approved so far by ann, ben' });
    expect(await untilPhase(runOf(fleet, thing), 'holding')).toBe('holding');
    expect(await isContained(thing)).toBe(true);
  }, 60_000);

  it.each<[string, (thing: string, other: string) => Promise<string>, RegExp]>([
    [
      'for another workflow',
      (_, other) => tokenOf('ann', other),
      /it is for workflow quarantine\/burst-\d+, not quarantine\/burst/,
    ],
    [
      'for other targets',
      async (thing) => {
        const target = ['--target', 'a'.repeat(64)];
        const signed = await fleet.guardCli(
          ...['approve', `quarantine/${thing}`, '--as', 'ann', '--json', ...target],
        );
        return String(lastJson(signed)['token']);
      },
      /it is for another list of targets/,
    ],
    ['that nobody signed', () => Promise.resolve('bm9ib2R5.e30.eA'), /approval is refused/],
  ])(
    'refuses a token %s and says why',
    async (_, sign, reason) => {
      const [, thing = '', other = ''] = waiting;
      const token = await sign(thing, other);
      const outcome = await approve(runOf(fleet, thing), token);
      expect(outcome).toEqual({ refused: expect.stringMatching(reason) });
      expect(await statusOf(runOf(fleet, thing))).toMatchObject({ phase: 'awaitingApproval' });
    },
    30_000,
  );

  it('takes no approval from whoever asked for the act', async () => {
    await askFor(fleet, SIXTH, 'ann');
    await untilPhase(runOf(fleet, SIXTH), 'awaitingApproval');
    const refused = await approveAs('ann', SIXTH);
    expect(refused).toEqual({ refused: expect.stringMatching(/ann asked for this act/) });
    expect(await approveAs('ben', SIXTH)).toEqual({ answer: 'approved so far by ben' });
  }, 30_000);

  it('contains up to five with two approvers each', async () => {
    for (const thing of waiting.slice(1)) {
      await Promise.all(['ann', 'ben'].map((as) => approveAs(as, thing)));
      await untilPhase(runOf(fleet, thing), 'holding');
    }
    expect(await fleet.guard.status()).toMatchObject({ containedNow: 5, approvedCap: 5 });
    expect(await Promise.all(ALARMED.map(isContained))).toEqual(ALARMED.map(() => true));
  }, 120_000);
});

describe('a sixth device', () => {
  it('is refused even with two approvals, and the refusal names break-glass', async () => {
    await approveAs('cid', SIXTH);
    expect(await runOf(fleet, SIXTH).result()).toMatchObject({
      outcome: 'refused',
      summary: expect.stringMatching(/6 of 12 .*5 is the most .*break-glass/),
    });
  }, 30_000);

  it('is refused at once when its alarm comes', async () => {
    await raiseAlarm(fleet, SEVENTH);
    expect(await runOf(fleet, SEVENTH).result()).toMatchObject({
      outcome: 'refused',
      summary: expect.stringMatching(/break-glass/),
    });
    expect(await states([SIXTH, SEVENTH])).toEqual(
      new Map([SIXTH, SEVENTH].map((thing) => [thing, before.get(thing)])),
    );
  }, 30_000);

  it('is contained by break-glass alone, and counts from then on', async () => {
    const person = ['--by', 'ann', '--reason', 'it floods the site'];
    const { code }: Outcome = await fleet.breakGlass('contain', SEVENTH, ...person);
    expect(code).toBe(0);
    expect(await isContained(SEVENTH)).toBe(true);
    expect((await fleet.guard.status()).containedNow).toBe(6);
  }, 30_000);

  it('leaves the rest of the fleet as it was', async () => {
    const rest = [SIXTH, ...FLEET.slice(7)];
    expect(await states(rest)).toEqual(new Map(rest.map((thing) => [thing, before.get(thing)])));
  });
});
