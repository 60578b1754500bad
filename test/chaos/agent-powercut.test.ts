import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFileAtomically } from '../../device-agent/state/atomic-file';
import { crashImage, LOSE_ALL, loseSome, writeImage } from './agent-powercut/crash-image';
import { Device } from './agent-powercut/device';
import { Disk } from './agent-powercut/disk';
import type { DoubleCutReport } from './agent-powercut/double-cuts/double-cut';
import { runDoubleCuts } from './agent-powercut/double-cuts/run';
import { patchFs } from './agent-powercut/patch';
import type { Call } from './agent-powercut/patched-fs';
import { runOnce } from './agent-powercut/run';
import { SCENARIOS } from './agent-powercut/scenarios';
import { scratchFolder } from './agent-powercut/scratch';
import { canTrace, compareWithKernel, straceInto } from './agent-powercut/strace';
import { sweep } from './agent-powercut/sweep';
import { startWorld, type World } from './agent-powercut/world';
import { seeded } from './kill-points';

let folder: string;
let undo: () => void;

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
  beforeEach(() => {
    folder = scratchFolder();
    undo = () => undefined;
  });

  afterEach(() => {
    undo();
    rmSync(folder, { recursive: true });
  });

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

describe('a real agent that loses its power', () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld();
  }, 60_000);

  afterAll(async () => {
    await world.stop();
  });

  it('comes to the one right end of its update from a sample of the cuts', async () => {
    const [, commit, rollback] = SCENARIOS;
    const { calls, runs } = await sweep(world, {
      scenarios: [commit, rollback].filter((scenario) => scenario !== undefined),
      sample: 4,
      seed: 7,
      lanes: 2,
      log: () => undefined,
    });
    expect(runs.flatMap(({ findings }) => findings)).toEqual([]);
    expect(runs.filter(({ diedAt }) => diedAt !== null)).toHaveLength(4);
    expect(Math.max(...runs.map(({ starts }) => starts))).toBeLessThanOrEqual(3);
    expect(calls).toBeGreaterThan(200);
  }, 120_000);

  const withStrace = canTrace() ? it : it.skip;
  withStrace(
    'changes nothing on its disk but by calls that are counted',
    async () => {
      const [scenario] = SCENARIOS;
      if (scenario === undefined) throw new Error('no scenario');
      const device = await Device.create(world, 'powercut-strace');
      const run = {
        jobId: 'strace',
        scenario,
        cut: null,
        trace: true,
        under: straceInto(device.report),
      };
      const { findings } = await runOnce(world, device, run);
      expect(findings).toEqual([]);
      const { counted, kernel } = compareWithKernel(device);
      expect(kernel).toEqual(counted);
      expect(counted['write']).toBeGreaterThan(20);
    },
    120_000,
  );
});

describe('an update whose power goes twice', () => {
  const damageOf = ({ findings }: DoubleCutReport) => findings.map(({ damage }) => damage);

  it('ends as it should, with no slot that holds anything else than was signed', async () => {
    const reports: DoubleCutReport[] = [];
    await runDoubleCuts({ seed: 1, count: 15, onReport: (report) => reports.push(report) });
    expect(reports.flatMap(({ findings }) => findings)).toEqual([]);
    expect(reports.filter(({ cuts }) => cuts.length === 2)).toHaveLength(15);
  }, 120_000);

  it('would be seen to leave a mixed slot on a disk that does not sync the tree', async () => {
    const damage = new Set<string>();
    await runDoubleCuts({
      seed: 1,
      count: 60,
      lies: ['sync'],
      onReport: (report) => damageOf(report).forEach((each) => damage.add(each)),
      until: () => damage.has('mixedSlot'),
    });
    expect(damage).toContain('mixedSlot');
  }, 120_000);
});
