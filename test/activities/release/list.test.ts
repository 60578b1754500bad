import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createReleaseList } from '../../../activities/release/list';
import { folderStore, type ReleaseStore } from '../../../activities/release/store';
import { makeBench, NOW, type Bench } from './support';

const homes: string[] = [];
afterEach(() => {
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
});

async function release(bench: Bench, store: ReleaseStore, version: string): Promise<void> {
  await bench.add(version);
  await bench.sign();
  await bench.publishTo(store);
}

async function published() {
  const bench = await makeBench();
  homes.push(bench.home);
  const path = join(bench.home, 'public');
  mkdirSync(path);
  const plain = folderStore(path);
  await release(bench, plain, '1.0.0');
  const opened: string[] = [];
  const from: ReleaseStore = {
    ...plain,
    open: (name) => {
      opened.push(name);
      return plain.open(name);
    },
  };
  let now = NOW;
  const list = createReleaseList({ rootFile: bench.made.rootFile, from, now: () => now });
  const later = (ms: number): void => {
    now += ms;
  };
  return { bench, store: plain, list, opened, later };
}

describe('the list of releases', () => {
  it('holds what is signed, by metadata alone, and leaves no folder behind', async () => {
    const { list, opened } = await published();
    const folders = () =>
      readdirSync(tmpdir()).filter((name) => name.startsWith('release-verify-'));
    const before = folders();
    expect(await list.list()).toMatchObject([
      { name: 'pump/1.0.0.tar', version: '1.0.0', release: 1, hardware: ['rev-a'] },
    ]);
    expect(opened.filter((name) => name.startsWith('targets/'))).toEqual([]);
    expect(folders().filter((name) => !before.includes(name))).toEqual([]);
  });

  it('is verified again after a minute, and at once when something is published', async () => {
    const { bench, store, list, opened, later } = await published();
    await Promise.all([list.list(), list.list()]);
    const fetched = opened.length;
    later(59_000);
    await list.list();
    expect(opened).toHaveLength(fetched);
    later(1_000);
    await list.list();
    expect(opened.length).toBeGreaterThan(fetched);
    await release(bench, store, '1.1.0');
    expect((await list.list()).map(({ version }) => version)).toContain('1.1.0');
  });

  it('fails where a device would refuse the metadata, and works once it would not', async () => {
    const { bench, store, opened } = await published();
    let broken = true;
    const from: ReleaseStore = {
      ...store,
      open: (name) => (broken ? Promise.resolve(null) : store.open(name)),
    };
    const list = createReleaseList({ rootFile: bench.made.rootFile, from, now: () => NOW });
    await expect(list.list()).rejects.toThrow('A device would refuse the metadata');
    broken = false;
    expect(await list.list()).toHaveLength(1);
    expect(opened).toEqual([]);
  });
});
