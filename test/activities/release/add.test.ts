import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata } from '@tufjs/models';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MAX_ARTIFACT_BYTES } from '../../../activities/release/add';
import { highestOf, targetsOf } from '../../../activities/release/releases';
import { makeBench, type Bench } from './support';

let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => rmSync(bench.home, { recursive: true, force: true }));

describe('adding a release', () => {
  it('numbers it above all others, with a way back to what the hardware ran before', async () => {
    expect(await bench.add('1.3.0', { hardware: ['rev-a', 'rev-b'] })).toMatchObject({
      release: { release: 1, securityEpoch: 0 },
      reverts: [],
    });
    const { release, reverts } = await bench.add('1.4.0');
    expect(release).toMatchObject({ name: 'pump/1.4.0.tar', release: 2 });
    expect(reverts).toEqual([
      {
        name: 'pump/1.3.0-revert-of-2.tar',
        version: '1.3.0',
        release: 3,
        reverts: 2,
        securityEpoch: 0,
        hardware: ['rev-a'],
        length: 'bytes of 1.3.0'.length,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
    expect(await bench.add('1.5.0')).toMatchObject({
      release: { release: 4 },
      reverts: [{ name: 'pump/1.4.0-revert-of-4.tar', release: 5, reverts: 4 }],
    });
  });

  it('goes back to the versions that were named, each over its own hardware', async () => {
    await bench.add('1.0.0', { name: 'pump/1.0.0.tar.gz', hardware: ['rev-a', 'rev-b'] });
    await bench.add('2.0.0', { hardware: ['rev-b'] });
    const both = await bench.add('3.0.0', {
      hardware: ['rev-a', 'rev-b'],
      revertsTo: ['1.0.0', '2.0.0'],
    });
    expect(both.reverts.map(({ name, release }) => [name, release])).toEqual([
      ['pump/1.0.0-revert-of-4.tar.gz', 5],
      ['pump/2.0.0-revert-of-4.tar', 6],
    ]);
    expect((await bench.add('4.0.0', { revertsTo: [] })).reverts).toEqual([]);
    await expect(bench.add('5.0.0', { revertsTo: ['9.9.9'] })).rejects.toThrow(
      '--reverts-to: there is no release 9.9.9 for hardware rev-a',
    );
  });

  it('has no way back where it raises the security epoch, and says so', async () => {
    await bench.add('1.0.0');
    expect(await bench.add('1.1.0', { securityEpoch: 1 })).toMatchObject({
      onlyForward: true,
      reverts: [],
    });
    expect(await bench.add('1.2.0')).toMatchObject({
      release: { securityEpoch: 1 },
      onlyForward: false,
      reverts: [{ version: '1.1.0', securityEpoch: 1 }],
    });
    await expect(bench.add('1.3.0', { securityEpoch: 2, revertsTo: ['1.2.0'] })).rejects.toThrow(
      'can only be followed, not undone',
    );
  });

  it('signs the lowest release that may take it, where there is one to come from', async () => {
    await bench.add('1.0.0');
    await bench.add('1.1.0');
    const { release, reverts } = await bench.add('1.2.0', { minimumRelease: 2 });
    expect(release).toMatchObject({ release: 4, minimumRelease: 2 });
    expect(reverts.map(({ minimumRelease }) => minimumRelease)).toEqual([undefined]);
    await expect(bench.add('1.3.0', { minimumRelease: 6 })).rejects.toThrow(
      'pump/1.3.0.tar: no earlier release here is 6 or later',
    );
  });

  it('changes nothing when repeated, and refuses the name for anything else', async () => {
    await bench.add('1.0.0');
    await bench.add('1.1.0');
    const staged = readFileSync(join(bench.dir, 'staged/targets.json'));
    expect(await bench.add('1.1.0')).toMatchObject({
      unchanged: true,
      release: { release: 2 },
      reverts: [{ release: 3 }],
    });
    await bench.sign();
    expect(await bench.add('1.1.0')).toMatchObject({ unchanged: true });
    await expect(bench.add('1.1.0', { file: bench.file('other', 'other bytes') })).rejects.toThrow(
      'is release 2 already, with other bytes',
    );
    for (const other of [{ hardware: ['rev-z'] }, { release: 9 }, { securityEpoch: 5 }])
      await expect(bench.add('1.1.0', other)).rejects.toThrow('with other conditions');
    expect(staged.length).toBeGreaterThan(0);
  });

  it('never goes down in release or epoch, over targets that are gone, too', async () => {
    await bench.add('1.0.0', { release: 7, securityEpoch: 3 });
    for (const release of [6, 7])
      await expect(bench.add('1.1.0', { release })).rejects.toThrow('is not above 7');
    await expect(bench.add('1.1.0', { securityEpoch: 2 })).rejects.toThrow('is below 3');
    expect(await bench.add('1.1.0')).toMatchObject({ release: { release: 8, securityEpoch: 3 } });
    const emptied = new Metadata(
      targetsOf(9, '2099-01-01T00:00:00Z', { release: 40, securityEpoch: 4 }, []),
    );
    expect(highestOf(emptied, 'targets.json')).toEqual({ release: 40, securityEpoch: 4 });
  });

  it('takes only a file with something in it, and not too much', async () => {
    const tooLarge = bench.file('large', '');
    truncateSync(tooLarge, MAX_ARTIFACT_BYTES + 1);
    for (const [file, message] of [
      [join(bench.home, 'nowhere'), 'There is no file'],
      [bench.home, 'is no regular file'],
      [bench.file('empty', ''), 'is empty'],
      [tooLarge, 'at most'],
    ] as const)
      await expect(bench.add('1.0.0', { file })).rejects.toThrow(message);
    expect((await bench.open()).staged.targets).toBeNull();
  });

  it('notices an artifact that was damaged after it was kept', async () => {
    const { release } = await bench.add('1.0.0');
    writeFileSync(join(bench.dir, 'artifacts', release.sha256), 'damaged');
    await expect(bench.add('1.0.0')).rejects.toThrow('is damaged');
  });
});
