import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFileAtomically } from '../../device-agent/state/atomic-file';
import { crashImage, LOSE_ALL, loseSome, writeImage } from './agent-powercut/crash-image';
import { Disk } from './agent-powercut/disk';
import { patchFs } from './agent-powercut/patch';
import type { Call } from './agent-powercut/patched-fs';
import { scratchFolder } from './agent-powercut/scratch';
import { seeded } from './kill-points';

let folder: string;
let undo: () => void;

beforeEach(() => {
  folder = scratchFolder();
  undo = () => undefined;
});

afterEach(() => {
  undo();
  rmSync(folder, { recursive: true });
});

/** Runs `act` on a disk that is then cut before call `at`, and answers what it left. */
function cutAt(
  at: number,
  act: () => void,
  losses = LOSE_ALL,
): { calls: string[]; differs: string[] } {
  const disk = Disk.read(folder);
  const calls: string[] = [];
  undo = patchFs(
    () => disk,
    ({ op }: Call) => {
      calls.push(op);
      if (calls.length >= at) throw new Error('the power is gone');
    },
  );
  try {
    act();
  } catch (error) {
    if (!String(error).includes('the power is gone')) throw error;
  }
  undo();
  const differs = disk.differences();
  writeImage(crashImage(disk, losses), folder);
  return { calls, differs };
}

const file = () => join(folder, 'state.json');
const found = () =>
  readdirSync(folder).includes('state.json') ? readFileSync(file(), 'utf8') : null;

function outcomes(act: () => void, calls: number): Set<string | null> {
  const seen = new Set<string | null>();
  for (let at = 1; at <= calls + 1; at += 1) {
    for (let seed = 0; seed <= 20; seed += 1) {
      writeFileSync(file(), 'old');
      const losses = seed === 0 ? LOSE_ALL : loseSome(seeded(seed));
      expect(cutAt(at, act, losses).differs).toEqual([]);
      seen.add(found());
    }
  }
  return seen;
}

describe('a disk that loses its power', () => {
  it('holds the old content or the new, whenever it is cut, of a file written atomically', () => {
    const act = (): void => writeFileAtomically(file(), 'new content');
    writeFileSync(file(), 'old');
    expect(cutAt(Infinity, act).calls).toEqual(['create', 'write', 'fsync', 'rename', 'fsync']);
    expect(found()).toBe('new content');
    expect(outcomes(act, 5)).toEqual(new Set(['old', 'new content']));
  });

  it('holds what was written atomically in a folder that was new', () => {
    const path = join(folder, 'new', 'deep', 'state.json');
    cutAt(Infinity, () => writeFileAtomically(path, 'content'));
    expect(readFileSync(path, 'utf8')).toBe('content');
  });

  it('holds other things where a file is written carelessly', () => {
    expect(outcomes(() => fs.writeFileSync(file(), 'new content'), 2)).toContain('');
    const unflushed = (): void => {
      fs.writeFileSync(`${file()}.tmp`, 'new content');
      fs.renameSync(`${file()}.tmp`, file());
    };
    expect(outcomes(unflushed, 3)).toContain('');
  });
});
