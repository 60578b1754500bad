import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { OperationInterruptedError } from '../../../device-agent/operations/types';
import { UpdateRefusedError } from '../../../device-agent/update/types';
import { eventually } from '../../support/devices';
import { KEY, TARGET, UpdateBed, untilTheEnd, type Act, type Faults } from './update-bed';

const SUCCEEDED = { status: 'SUCCEEDED' };
const FAILED = { status: 'FAILED' };

/** Commit or rollback, told once and truly, in a bounded number of starts; and the next update works. */
async function endsWell(bed: UpdateBed) {
  const { outcome, lives, last } = await untilTheEnd(bed);
  const { software, settled } = bed.running();
  expect(settled).toBe(true);
  expect(software).toBe(outcome.status === 'SUCCEEDED' ? 'new' : 'factory');
  expect(last.journal.current).toBeNull();
  expect(last.application).not.toBe('stopped');
  expect(bed.trials).toBeLessThanOrEqual(3);
  const told = new Set(bed.recorded.map(([key, { status }]) => `${key} ${status}`));
  expect([...told]).toEqual([`${KEY} ${outcome.status}`]);
  // A later life tells the same, and does nothing more.
  const later = await bed.life().run();
  expect(later).toEqual(outcome);
  expect(last.journal.floor.release).toBe(outcome.status === 'SUCCEEDED' ? 2 : 0);
  return { outcome, lives, last };
}

const FORWARD = [
  'fetching',
  'installing',
  'installed',
  'activating',
  'starting',
  'confirming',
  'committing',
] as const;
const BACK = ['reverting', 'discarding'] as const;

describe('an update', () => {
  it('ends in the new release, which is then confirmed', async () => {
    const { outcome, lives } = await endsWell(new UpdateBed());
    expect(lives).toBe(1);
    expect(outcome).toMatchObject({
      status: 'SUCCEEDED',
      details: { version: '2.0.0', release: '2', from: '1.0.0', slot: 'b' },
    });
  });

  it.each(FORWARD)('goes on after a power cut in %s', async (killIn) => {
    const { outcome, lives } = await endsWell(new UpdateBed({ killIn }));
    expect([outcome, lives]).toMatchObject([SUCCEEDED, 2]);
  });

  it.each(['fetch', 'install', 'gate', 'activate', 'try', 'confirm'] satisfies Act[])(
    'goes on after a power cut that follows %s',
    async (killAfter) => {
      const { outcome, lives } = await endsWell(new UpdateBed({ killAfter }));
      expect([outcome, lives]).toMatchObject([SUCCEEDED, 2]);
    },
  );

  it.each([...FORWARD, ...BACK])('ends although the power goes in %s each time', async (killIn) => {
    const back = killIn === 'reverting' || killIn === 'discarding';
    const bed = new UpdateBed({ killIn, kills: Infinity, exits: back });
    const { outcome, lives } = await endsWell(bed);
    expect(outcome).toMatchObject(FAILED);
    expect(lives).toBeLessThanOrEqual(33);
  });

  it.each(BACK)('goes back after a power cut in %s', async (killIn) => {
    const { outcome, lives } = await endsWell(new UpdateBed({ killIn, exits: true }));
    expect([outcome, lives]).toMatchObject([FAILED, 2]);
    expect(outcome.details['reason']).toContain('exit code 3');
  });

  it.each([
    ['trust', 'trust fails'],
    ['fetch', 'fetch fails'],
    ['install', 'install fails'],
    ['gate', 'gate fails'],
    ['activate', 'activate fails'],
    ['try', 'try fails'],
    ['confirm', 'confirm fails'],
  ] as const)('fails where %s does, and says so', async (fail, reason) => {
    const bed = new UpdateBed({ fail });
    if (fail === 'trust') {
      expect(await bed.life().run()).toMatchObject({ status: 'FAILED', details: { reason } });
      expect(bed.states).toEqual([]);
      return;
    }
    const { outcome } = await endsWell(bed);
    expect(outcome).toMatchObject({ status: 'FAILED', details: { reason } });
  });

  it('is rejected where the repository or the artifact is not what was signed', async () => {
    const failWith = new UpdateRefusedError('expired');
    const early = await new UpdateBed({ fail: 'trust', failWith }).life().run();
    expect(early).toMatchObject({ status: 'REJECTED', details: { reason: 'expired' } });
    const { outcome } = await endsWell(new UpdateBed({ fail: 'fetch', failWith }));
    expect(outcome).toMatchObject({ status: 'REJECTED', details: { reason: 'expired' } });
  });

  it.each([
    ['ends by itself', { exits: true }, 'exit code 3'],
    ['fails its check', { health: { kind: 'command', command: 'false', args: [] } }, 'exit code 1'],
    [
      'hangs in its check',
      { health: { kind: 'command', command: 'sleep', args: ['60'] } },
      'still running after 50 ms',
    ],
    [
      'does not answer',
      { health: { kind: 'http', url: 'http://127.0.0.1:9/health' } },
      'ECONNREFUSED',
    ],
  ] satisfies [string, Faults, string][])(
    'is taken back where the new release %s',
    async (_what, faults, reason) => {
      const { outcome } = await endsWell(new UpdateBed(faults));
      expect(outcome).toMatchObject({ status: 'FAILED', details: { step: 'confirming' } });
      expect(outcome.details['reason']).toContain(reason);
    },
  );

  it.each(['revert', 'discard'] as const)(
    'ends although %s fails, and the next start puts it right',
    async (fail) => {
      const faults: Faults = { exits: true, fail };
      const bed = new UpdateBed(faults);
      const outcome = await bed.life().run();
      expect(outcome).toMatchObject(FAILED);
      delete faults.fail;
      expect(await bed.life().run()).toEqual(outcome);
      expect(bed.running()).toEqual({ software: 'factory', settled: true });
    },
  );

  it.each([
    ['offline', 'the device was offline'],
    ['cancelled', 'the job was cancelled'],
    ['timedOut', 'the job timed out'],
  ] as const)('that finds the gate shut does not switch: %s', async (gate, why) => {
    const bed = new UpdateBed({ gate });
    const { outcome, last } = await endsWell(bed);
    expect(outcome).toMatchObject({ status: 'FAILED', details: { step: 'installed' } });
    expect(bed.trials).toBe(0);
    expect(readdirSync(join(bed.slots, 'b'))).toEqual(['root']);
    expect(last.journal.reported()).toMatchObject({ state: 'idle', outcome: 'FAILED' });
    expect(last.journal.reported().reason).toBe(`not switched at the commit gate: ${why}`);
  });

  it('whose job is cancelled on the way is given up before the gate', async () => {
    const bed = new UpdateBed();
    const life = bed.life();
    life.progressAnswer = 'gone';
    expect(await life.run()).toMatchObject(FAILED);
    expect(life.gateAsked).toBe(0);
  });

  it.each(['fetching', 'installing', 'installed'] as const)(
    'in %s waits for its job after a restart, and is dropped once that is gone',
    async (killIn) => {
      const bed = new UpdateBed({ killIn });
      expect(await bed.life().run()).toBe('died');
      const second = bed.life();
      expect(await second.updater.resume()).toBe(true);
      second.updater.onPending(new Set([KEY]));
      await sleep(20);
      expect(second.journal.current?.state).toBe(killIn);
      second.updater.onPending(new Set(['other#1']));
      await eventually(
        () => second.journal.current,
        (current) => current === null,
      );
      expect(second.journal.reported()).toMatchObject({ outcome: 'FAILED' });
      expect(bed.trials).toBe(0);
    },
  );

  it('gives way to another job that comes first after a restart, and begins anew after it', async () => {
    const bed = new UpdateBed({ killIn: 'fetching' });
    expect(await bed.life().run()).toBe('died');
    const second = bed.life();
    expect(await second.run('other#1')).toMatchObject(SUCCEEDED);
    expect(await second.updater.install(TARGET.name, second.context())).toMatchObject({
      status: 'SUCCEEDED',
      details: { reason: 'already installed' },
    });
  });

  it('to an older release, other hardware or a lower epoch is rejected', async () => {
    const bed = new UpdateBed();
    await endsWell(bed);
    const { release } = TARGET;
    const refused = [
      { ...release, release: 1 },
      { ...release, release: 3, hardware: ['other'] },
      { ...release, release: 3, reverts: 1 },
    ];
    for (const [index, custom] of refused.entries()) {
      bed.target = { ...TARGET, sha256: 'f'.repeat(64), release: custom };
      expect(await bed.life().run(`older#${index}`)).toMatchObject({ status: 'REJECTED' });
    }
    expect(bed.running()).toEqual({ software: 'new', settled: true });
  });

  it('that was taken back without a record is not called good by a later life', async () => {
    const bed = new UpdateBed({ killIn: 'committing' });
    expect(await bed.life().run()).toBe('died');
    unlinkSync(join(bed.slots, 'active'));
    symlinkSync('a', join(bed.slots, 'active'));
    const { outcome, last } = await untilTheEnd(bed);
    expect(outcome).toMatchObject(FAILED);
    expect(last.journal.floor.release).toBe(0);
    expect(bed.running()).toEqual({ software: 'factory', settled: true });
  });

  it('is confirmed by a life whose installer has no answer at first', async () => {
    const bed = new UpdateBed({ killIn: 'committing', busy: 1 });
    await endsWell(bed);
    expect(bed.recorded[0]).toMatchObject([KEY, SUCCEEDED]);
  });

  it('waits at the gate no longer than the repository stands by it', async () => {
    const faults: Faults = { killIn: 'installed' };
    const bed = new UpdateBed(faults);
    expect(await bed.life().run()).toBe('died');
    Object.assign(faults, { fail: 'trust', failWith: new UpdateRefusedError('expired') });
    expect(await bed.life().run()).toMatchObject({
      status: 'REJECTED',
      details: { reason: 'expired' },
    });
    expect(bed.trials).toBe(0);
  });

  it('goes on at the gate without a repository', async () => {
    const faults: Faults = { killIn: 'installed' };
    const bed = new UpdateBed(faults);
    expect(await bed.life().run()).toBe('died');
    faults.fail = 'trust';
    expect(await bed.life().run()).toMatchObject(SUCCEEDED);
  });

  it('leaves a download that was cut short for another try of the job', async () => {
    const bed = new UpdateBed({ fail: 'fetch' });
    const part = join(bed.dir, 'updates', 'download', `${TARGET.sha256}.part`);
    mkdirSync(dirname(part), { recursive: true });
    writeFileSync(part, 'half');
    expect(await bed.life().run()).toMatchObject(FAILED);
    expect(existsSync(part)).toBe(true);
    bed.faults.fail = 'install';
    expect(await bed.life().run('job#2')).toMatchObject(FAILED);
    expect(existsSync(part)).toBe(false);
  });

  it('is left where it is when the agent stops, without an outcome', async () => {
    const bed = new UpdateBed({ health: { kind: 'command', command: 'sleep', args: ['60'] } });
    const life = bed.life();
    const running = life.run();
    const ended = expect(running).rejects.toThrow(OperationInterruptedError);
    await eventually(
      () => life.journal.current?.state,
      (state) => state === 'confirming',
    );
    await life.updater.stop();
    await ended;
    expect(bed.recorded).toEqual([]);
    expect(life.journal.current?.state).toBe('confirming');
  });
});

describe('an update of a contained device', () => {
  it('goes as far as the trial, which begins once the device is resumed', async () => {
    const bed = new UpdateBed();
    bed.contained = true;
    const life = bed.life();
    const running = life.run();
    await eventually(
      () => life.journal.current?.state,
      (state) => state === 'confirming',
    );
    await sleep(60);
    expect([bed.trials, life.application]).toEqual([0, 'stopped']);
    bed.contained = false;
    expect(await life.updater.onResumed()).toBe(true);
    expect(life.application).toBe('trial');
    expect(await running).toMatchObject(SUCCEEDED);
  });

  it('counts no start of a contained device, and forgets none', async () => {
    const bed = new UpdateBed({ killIn: 'confirming', kills: 2 });
    expect([await bed.life().run(), await bed.life().run()]).toEqual(['died', 'died']);
    bed.contained = true;
    for (let restarts = 0; restarts < 3; restarts += 1) {
      const life = bed.life();
      await life.updater.resume();
      await eventually(
        () => life.journal.current?.state,
        (state) => state === 'confirming',
      );
      expect(life.journal.current?.starts).toBe(2);
      life.die();
    }
  });

  it('has its check interrupted by a containment, and begun anew after it', async () => {
    const bed = new UpdateBed();
    const life = bed.life();
    const running = life.run();
    await eventually(
      () => bed.trials,
      (trials) => trials === 1,
    );
    // As `contain` does it; the end of the application says nothing about the release.
    bed.contained = true;
    life.updater.onContained();
    life.endTrial('SIGTERM');
    await sleep(60);
    expect(life.journal.current).toMatchObject({ state: 'confirming', starts: 0 });
    bed.contained = false;
    await life.updater.onResumed();
    expect(await running).toMatchObject(SUCCEEDED);
    expect(bed.trials).toBe(2);
  });
});

describe('a journal that can’t be trusted', () => {
  const damages: [string, (text: string) => string, boolean][] = [
    ['of an unknown state', (text) => text.replace('"confirming"', '"celebrating"'), true],
    ['of another version', (text) => text.replace('"version":1', '"version":2'), true],
    ['with a member more', (text) => text.replace('{', '{"more":1,'), true],
    ['with a negative count', (text) => text.replace(/"starts":\d+/, '"starts":-1'), true],
    ['that is cut off', (text) => text.slice(0, text.length / 2), false],
    ['that is empty', () => '', false],
    ['of zeros', (text) => '\0'.repeat(text.length), false],
    ['that is another type', () => '[]', false],
  ];

  it.each(damages)('%s rolls the device back', async (_what, damage, keyKnown) => {
    const bed = new UpdateBed({ killIn: 'confirming' });
    expect(await bed.life().run()).toBe('died');
    writeFileSync(bed.journalFile, damage(readFileSync(bed.journalFile, 'utf8')));
    const life = bed.life();
    expect(await life.updater.resume()).toBe(true);
    expect(bed.running()).toEqual({ software: 'factory', settled: true });
    expect(bed.recorded).toEqual(
      keyKnown
        ? [[KEY, { status: 'FAILED', details: { reason: 'the state of the update was damaged' } }]]
        : [],
    );
    expect(bed.life().journal.damage).toBeNull();
  });

  it('does not lower the floor that the confirmed slot or the file itself still tells', async () => {
    const bed = new UpdateBed();
    await endsWell(bed);
    writeFileSync(bed.journalFile, 'gone');
    const life = bed.life();
    await life.updater.resume();
    expect(life.journal.floor.release).toBe(2);
  });
});
