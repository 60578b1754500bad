import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AwsCall } from '../../local/proxies/aws-proxy';
import { NAMES } from '../../domain/names';
import { eventually } from '../support/devices';
import { temporalAddress } from '../support/temporal';
import { changesAtAws, inWords, openGuardedFleet, type GuardedFleet } from './bed';
import { askFor, pendingFailure, release, runOf, statusOf, untilPhase } from './runs';

let fleet: GuardedFleet;

beforeAll(async () => {
  // Three hundred, so that each test may contain a device by itself.
  fleet = await openGuardedFleet(await temporalAddress(), { fleetSize: 300, approvers: [] });
  await Promise.all(['switch-01', 'switch-02'].map((thing) => fleet.startAgent(thing)));
}, 240_000);
afterAll(() => fleet.close());

const turn = async (to: 'stop' | 'resume'): Promise<void> => {
  const { code, stderr } = await fleet.guardCli(to, '--by', 'ann', '--reason', 'wrong devices');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
};

/** Stops the guard while the worker's first call that fits is on its way, before or after AWS has it. */
function stopAt(when: 'before' | 'after', fits: (call: AwsCall) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const { remove } = fleet.proxy.use({
      [when]: async (call: AwsCall) => {
        if (!fits(call)) return undefined;
        remove();
        await turn('stop').then(resolve, reject);
        return undefined;
      },
    });
  });
}

const changesSince = (count: number): string[] => inWords(changesAtAws(fleet.proxy).slice(count));

describe('the kill switch', () => {
  it('stops a run before its first change, until someone resumes it', async () => {
    const before = await fleet.deviceState('switch-01');
    const stopped = stopAt('before', ({ operation }) => operation === 'GetEffectivePolicies');
    fleet.proxy.reset();
    await askFor(fleet, 'switch-01', 'bea');
    await stopped;
    const run = runOf(fleet, 'switch-01');
    // A second attempt proves that it went on asking.
    expect(await pendingFailure(run, 'contain', 2)).toMatch(
      /at stop since .* by ann: wrong devices/,
    );
    expect(changesSince(0)).toEqual([]);
    expect(await fleet.deviceState('switch-01')).toEqual(before);
    // The session that the snapshot saw is not the one to drop any more.
    await fleet.reconnect('switch-01');

    await turn('resume');
    await untilPhase(run, 'holding');
    expect(changesSince(0)).toContain('iotdata.DeleteConnection switch-01');
    expect((await fleet.deviceState('switch-01')).groups).toContain(NAMES.quarantineGroup);
  }, 60_000);

  it('stops a run between containing a device and asking it anything', async () => {
    fleet.proxy.reset();
    const stopped = stopAt('after', ({ operation }) => operation === 'DeleteConnection');
    await askFor(fleet, 'switch-02', 'bea');
    await stopped;
    const known = changesSince(0).length;
    const run = runOf(fleet, 'switch-02');
    expect(await pendingFailure(run, 'cancelOtherJobs', 2)).toMatch(/at stop since/);
    expect(changesSince(known)).toEqual([]);
    expect(await statusOf(run)).toMatchObject({ phase: 'proving', applicationStoppedAt: null });

    await turn('resume');
    await untilPhase(run, 'holding');
    // It is asked beside the hold, so that nothing keeps a person from releasing it.
    await eventually(
      () => changesSince(known).join(),
      (changes) => /CreateJob quarantine-contain/.test(changes),
    );
  }, 60_000);

  it('lets a release go on while it is at stop', async () => {
    await turn('stop');
    const run = runOf(fleet, 'switch-01');
    await release(run);
    await untilPhase(run, 'probation');
    expect((await fleet.deviceState('switch-01')).groups).not.toContain(NAMES.quarantineGroup);
    expect(await statusOf(run)).toMatchObject({ canPublishAgainAt: expect.any(String) });
    await turn('resume');
  }, 60_000);
});
