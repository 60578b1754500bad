import { readFileSync } from 'node:fs';
import { TrustedMetadataStore } from 'tuf-js/dist/store';
import { z } from 'zod';
import { parseJson } from '../errors';
import { UpdateRefusedError } from '../update/types';
import { Generations } from './generations';

export interface StoreOptions {
  /** Has the symlink `metadata` and what it leads to. */
  dir: string;
  /** The root that was shipped with the device, or with a newer package of the agent. */
  rootFile: string;
  /** In place of `metadata`. */
  name?: string | undefined;
}

export const ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const;
const version = z.int().min(1).optional();
const versionsFile = z.strictObject({
  root: version,
  timestamp: version,
  snapshot: version,
  targets: version,
});
/** Of the trusted metadata, by role. */
export type Versions = z.infer<typeof versionsFile>;

/** A copy of the trusted metadata to refresh in; `discard` after `commit` does nothing. */
export interface Scratch {
  folder: string;
  /**
   * Makes what is in the folder the trusted metadata, if anything changed.
   * @throws UpdateRefusedError where these versions are below what was trusted before; then nothing changes.
   */
  commit(trusted: Versions): void;
  discard(): void;
}

/** Beside the metadata, without `.json`, which TUF's own files have. */
const VERSIONS = 'versions';
const MAX_FILES = 64;

/**
 * The metadata that this device trusts. tuf-js saves with a plain write, and a torn `root.json` stops it for good;
 * so it works in a scratch copy, which replaces the trusted folder as a whole once it is on the disk.
 *
 * Heals whatever is damaged or missing: root from the newest sound one of this folder, an unfinished scratch copy
 * and the shipped root; the other roles by being fetched again. The versions that were trusted are in a file of their
 * own, so that damaged metadata is not replaced by older, as long as the root version is the same: a newer root may
 * have new keys just to recover from versions that a thief ran up.
 * A total loss, with that file gone too, leaves what the shipped root alone gives: nothing unsigned and nothing
 * expired is taken, but metadata older than what was seen would be. Which release may follow which does not depend
 * on this folder: its floor is in the update journal and in the confirmed slot.
 */
export function beginRefresh({ dir, rootFile, name = 'metadata' }: StoreOptions): Scratch {
  const generations = new Generations(dir, name);
  generations.prepare();
  const before = readTrusted(generations, rootFile);
  const number = generations.create(before.files);
  if (before.number !== null) generations.keepOnly([before.number, number]);
  let ended = false;
  return {
    folder: generations.folder(number),
    commit: (trusted) => {
      const floors = raised(before.versions, trusted);
      const after = generations.read(number, isMetadata);
      if (before.whole && sameFiles(after, before.files) && sameVersions(floors, before.versions))
        return;
      ended = true;
      generations.use(number, VERSIONS, Buffer.from(JSON.stringify(floors)));
    },
    discard: () => {
      if (!ended) generations.remove(number);
      ended = true;
    },
  };
}

interface Trusted {
  /** Of the current generation; null where none is, and all are kept until one is again. */
  number: number | null;
  files: Map<string, Buffer>;
  versions: Versions;
  /** Nothing had to be healed. */
  whole: boolean;
}

function readTrusted(generations: Generations, rootFile: string): Trusted {
  const all = generations.list();
  const number = generations.current();
  const base = number ?? all[0];
  const found = base === undefined ? new Map<string, Buffer>() : generations.read(base, isMetadata);
  const stored = found.get('root.json');
  const root = newestRoot([
    ...(stored === undefined ? [] : [stored]),
    ...all.flatMap((each) => [...generations.read(each, (file) => file === 'root.json').values()]),
    readFileSync(rootFile),
  ]);
  if (root === null)
    throw new Error(`${rootFile} is no root metadata signed by its own keys: ship a sound one`);
  const noted = all.map((each) => readVersions(generations, each));
  return {
    number,
    files: new Map([...[...found].slice(0, MAX_FILES), ['root.json', root]]),
    versions: noted.map((each) => each ?? {}).reduce(higher, {}),
    whole: number !== null && root === stored && !noted.includes(null),
  };
}

/** The first of the highest version that is signed by its own keys. */
function newestRoot(candidates: readonly Buffer[]): Buffer | null {
  let best: { bytes: Buffer; version: number } | null = null;
  for (const bytes of candidates) {
    const found = rootVersion(bytes);
    if (found !== null && (best === null || found > best.version)) best = { bytes, version: found };
  }
  return best?.bytes ?? null;
}

function rootVersion(bytes: Buffer): number | null {
  try {
    return new TrustedMetadataStore(bytes).root.signed.version;
  } catch {
    return null;
  }
}

/** Null where the file is damaged or missing. */
function readVersions(generations: Generations, number: number): Versions | null {
  const bytes = generations.read(number, (file) => file === VERSIONS).get(VERSIONS);
  return versionsFile.safeParse(parseJson(bytes?.toString() ?? '')).data ?? null;
}

/** Of two notes: of the higher root version, or of both where it is the same. */
function higher(a: Versions, b: Versions): Versions {
  const [rootA, rootB] = [a.root ?? 0, b.root ?? 0];
  if (rootA !== rootB) return rootA > rootB ? a : b;
  const most = ROLES.map((role) => [role, Math.max(a[role] ?? 0, b[role] ?? 0)] as const);
  return versionsFile.parse(Object.fromEntries(most.filter(([, number]) => number !== 0)));
}

function raised(floors: Versions, trusted: Versions): Versions {
  if ((trusted.root ?? 0) > (floors.root ?? 0)) return trusted;
  for (const role of ROLES) {
    const floor = floors[role];
    const now = trusted[role];
    if (floor !== undefined && now !== undefined && now < floor)
      throw new UpdateRefusedError(
        `${role} metadata is version ${now}, this device has trusted version ${floor}`,
      );
  }
  return higher(floors, trusted);
}

const isMetadata = (file: string): boolean => file.endsWith('.json');

const sameVersions = (a: Versions, b: Versions): boolean =>
  ROLES.every((role) => a[role] === b[role]);

function sameFiles(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([file, bytes]) => b.get(file)?.equals(bytes) === true);
}
