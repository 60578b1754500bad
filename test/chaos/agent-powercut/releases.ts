import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { ReleaseTarget } from '../../../domain/device-protocol/release-target';
import { createRepository } from '../../support/tuf-repository';
import { tarOf } from '../../device-agent/update/tar';

export type ReleaseName = 'factory' | 'first' | 'good' | 'bad' | 'next';

/** File contents by path. */
type Tree = Record<string, string>;

export interface Release {
  target: string;
  tree: Tree;
  custom: ReleaseTarget;
  artifact: Buffer;
}

export const HARDWARE = 'b';

/** Runs until its agent is gone, as an application should. */
const RUNS = 'exec cat > /dev/null\n';
const ENDS = 'exit 1\n';
/** More than one read of a socket, and of several blocks, so that a torn write lands in the middle. */
const BYTES = 150_000;

export const RELEASES: Record<ReleaseName, Release> = {
  factory: release('factory', 1, RUNS),
  first: release('first', 2, RUNS),
  good: release('good', 3, RUNS),
  bad: release('bad', 3, ENDS),
  next: release('next', 9, RUNS),
};

function release(name: ReleaseName, number: number, run: string): Release {
  const line = `${name} ${createHash('sha256').update(name).digest('hex')}\n`;
  const tree: Tree = {
    'run.sh': run,
    'version.txt': `${name}\n`,
    'lib/data.txt': line.repeat(Math.ceil(BYTES / line.length)),
    'lib/deep/note.txt': line,
  };
  const files = Object.entries(tree).map(([path, content]) => ({ path, content }));
  return {
    target: `pump/${name}.tar`,
    tree,
    custom: { version: name, release: number, securityEpoch: number, hardware: [HARDWARE] },
    artifact: tarOf(files),
  };
}

/** As a device leaves the factory: its software in slot `a`, and nothing else yet. */
export function makeFactoryDisk(disk: string): void {
  const slots = join(disk, 'slots');
  for (const [path, content] of Object.entries(RELEASES.factory.tree)) {
    const file = join(slots, 'a', 'root', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  mkdirSync(join(slots, 'b', 'root'), { recursive: true });
  symlinkSync('a', join(slots, 'active'));
  symlinkSync('a', join(slots, 'confirmed'));
}

/** Which release a folder holds, exactly; null where it is none. */
export function releaseIn(folder: string): ReleaseName | null {
  const found = readTree(folder);
  const names = Object.keys(RELEASES) as ReleaseName[];
  return names.find((name) => sameTree(RELEASES[name].tree, found)) ?? null;
}

function readTree(folder: string, prefix = ''): Tree {
  const tree: Tree = {};
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    if (stat.isDirectory()) Object.assign(tree, readTree(path, `${prefix}${name}/`));
    else tree[prefix + name] = stat.isFile() ? readFileSync(path, 'utf8') : 'not a file';
  }
  return tree;
}

function sameTree(wanted: Tree, found: Tree): boolean {
  const paths = Object.keys(wanted);
  return (
    paths.length === Object.keys(found).length &&
    paths.every((path) => wanted[path] === found[path])
  );
}

/** A repository with all of the releases, published once. */
export function createReleases(dir: string): { rootFile: string; publish: () => void } {
  mkdirSync(dir, { recursive: true });
  const repository = createRepository(dir);
  for (const { target, artifact, custom } of Object.values(RELEASES)) {
    repository.addTarget(target, artifact, custom);
  }
  const publish = (): void => void repository.publish();
  publish();
  return { rootFile: repository.rootFile, publish };
}
