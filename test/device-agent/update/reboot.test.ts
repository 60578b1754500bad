import { describe, expect, it } from '@jest/globals';
import { rebootBy } from '../../../device-agent/update/reboot';
import { KEY, MAX_STARTS, RebootBed, TARGET } from './reboot-bed';

const IN_A = { booted: 'A', primary: 'A', confirmed: 'A' };
const IN_B = { booted: 'B', primary: 'B', confirmed: 'B' };

/** The same end for every later life, in a device that is settled and takes the next update. */
async function endsIn(bed: RebootBed, slots: object, status: string) {
  const outcome = await bed.untilTheEnd();
  expect(outcome).toMatchObject({ status });
  expect(bed).toMatchObject(slots);
  expect(await bed.life()).toEqual(outcome);
  expect(new Set(bed.recorded.map(([key, end]) => `${key} ${end.status}`))).toEqual(
    new Set([`${KEY} ${status}`]),
  );
  expect(bed.journal().current).toBeNull();
  const asked = bed.asked;
  bed.exits = false;
  bed.reboots = ['restarts'];
  expect(await nextUpdate(bed)).toMatchObject({ status: 'SUCCEEDED' });
  return { outcome, asked };
}

async function nextUpdate(bed: RebootBed) {
  const first = await bed.life('next#1');
  return first === 'ended' ? bed.life('next#1') : first;
}

describe('an update of a device that restarts', () => {
  it('is proven after the restart', async () => {
    const { asked } = await endsIn(new RebootBed(), IN_B, 'SUCCEEDED');
    expect(asked).toBe(1);
  });

  it('goes back by another restart where it does not prove itself', async () => {
    const bed = new RebootBed();
    bed.exits = true;
    const { outcome, asked } = await endsIn(bed, IN_A, 'FAILED');
    expect(outcome.details).toMatchObject({ step: 'confirming', slot: 'A' });
    expect(asked).toBe(2);
  });

  it('asks again where the agent ended before the device did', async () => {
    const bed = new RebootBed();
    bed.reboots = ['ends the agent', 'restarts'];
    const { asked } = await endsIn(bed, IN_B, 'SUCCEEDED');
    expect(asked).toBe(2);
  });

  it('does not ask for ever', async () => {
    const bed = new RebootBed();
    bed.reboots = ['ends the agent'];
    const { asked } = await endsIn(bed, IN_A, 'FAILED');
    expect(asked).toBe(1 + MAX_STARTS);
  });

  it.each([
    ['is refused', 'interactive authentication required'],
    ['does nothing', 'did not restart within'],
  ] as const)('stays where it is where the restart %s', async (reboot, reason) => {
    const bed = new RebootBed();
    bed.reboots = [reboot];
    const { outcome } = await endsIn(bed, IN_A, 'FAILED');
    expect(outcome.details['reason']).toContain(reason);
  });

  it('fails where the boot loader fell back by itself', async () => {
    const bed = new RebootBed();
    expect(await bed.life()).toBe('ended');
    Object.assign(bed, IN_A);
    const { outcome } = await endsIn(bed, IN_A, 'FAILED');
    expect(outcome.details['reason']).toContain('slot A runs, not the new release');
  });

  it.each([3, 4, 5])('goes back although switching back fails %s times', async (fails) => {
    const bed = new RebootBed();
    expect(await bed.life()).toBe('ended');
    Object.assign(bed, { exits: true, revertFails: fails });
    expect(await bed.untilTheEnd()).toMatchObject({ status: 'FAILED' });
    // What the end of the update could not do, a start of the agent does.
    await bed.life();
    await endsIn(bed, IN_A, 'FAILED');
  });

  it('leaves alone what somebody else has switched to, and what the boot loader fell back to', async () => {
    const bed = new RebootBed();
    await bed.untilTheEnd();
    Object.assign(bed, { booted: 'A', primary: 'A' });
    bed.releases.A = { ...releaseIn(bed), release: 1, version: '1.0.0' };
    const { asked } = bed;
    await bed.life();
    expect([bed.primary, bed.asked]).toEqual(['A', asked]);
  });
});

function releaseIn(bed: RebootBed) {
  const { B } = bed.releases;
  if (B === null) throw new Error(`${TARGET.name} is not installed`);
  return B;
}

describe('a restart by a program', () => {
  it('is asked for where it says yes', async () => {
    await expect(rebootBy(['true'])()).resolves.toBeUndefined();
  });

  it.each<[string, string[], RegExp]>([
    ['says no', ['sh', '-c', 'exit 4'], /sh ended with 4/],
    ['is not there', ['/nowhere/reboot'], /ENOENT/],
    ['hangs', ['sleep', '60'], /sleep ended with SIGKILL/],
  ])('fails where it %s', async (_what, command, reason) => {
    await expect(rebootBy(command, 200)()).rejects.toThrow(reason);
  });
});
