import type { Metadata, Root, Snapshot, Targets, Timestamp } from '@tufjs/models';
import { noRepository, ReleaseError } from './errors';
import { openFolder, type Folder } from './folder';
import {
  isSignedBy,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  serialise,
  type AnyMetadata,
  type OfflineRole,
  type Role,
} from './metadata';
import { highestOf, problemsOf, releasesOf, type Highest, type Release } from './releases';

/** Names within a repository folder. Artifacts lie by content: a revert target shares the bytes of its source. */
export const metadataFile = (role: Role, version: number): string =>
  role === 'timestamp' ? 'metadata/timestamp.json' : `metadata/${version}.${role}.json`;
export const stagedFile = (role: OfflineRole): string => `staged/${role}.json`;
export const artifactFile = (sha256: string): string => `artifacts/${sha256}`;

/** The release folder of a user: its metadata verified, so that nothing is built on a file that was edited. */
export interface Repository {
  folder: Folder;
  /** Version 1 first; each is signed by the one before and by itself. */
  roots: Metadata<Root>[];
  root: Metadata<Root>;
  /** The newest that is signed in full. */
  targets: Metadata<Targets>;
  releases: Release[];
  highest: Highest;
  snapshot: Metadata<Snapshot>;
  timestamp: Metadata<Timestamp>;
  /** Waits for signatures. */
  staged: { root: Metadata<Root> | null; targets: Metadata<Targets> | null };
}

export async function openRepository(dir: string): Promise<Repository> {
  const folder = openFolder(dir);
  const names = await folder.list('metadata');
  const roots = await readRoots(folder, latest(names, 'root', dir));
  const root = newest(roots, dir);
  const targets = await readSigned(folder, names, 'targets', parseTargets, roots);
  const file = metadataFile('targets', targets.signed.version);
  return {
    folder,
    roots,
    root,
    targets,
    releases: releasesOf(targets, file),
    highest: highestOf(targets, file),
    snapshot: await readSigned(folder, names, 'snapshot', parseSnapshot, roots),
    timestamp: await readSigned(folder, names, 'timestamp', parseTimestamp, roots),
    staged: {
      root: await readStaged(folder, 'root', parseRoot, root.signed.version),
      targets: await readStaged(folder, 'targets', parseTargets, targets.signed.version),
    },
  };
}

function newest(roots: Metadata<Root>[], dir: string): Metadata<Root> {
  const root = roots.at(-1);
  if (root === undefined) throw noRepository(dir);
  return root;
}

function latest(names: readonly string[], role: Role, dir: string): number {
  const pattern = new RegExp(`^([1-9][0-9]{0,8})\\.${role}\\.json$`);
  const versions = names.map((name) => Number(pattern.exec(name)?.[1] ?? 0));
  const version = Math.max(0, ...versions);
  if (version === 0) throw noRepository(dir);
  return version;
}

async function readRoots(folder: Folder, last: number): Promise<Metadata<Root>[]> {
  const roots: Metadata<Root>[] = [];
  for (let version = 1; version <= last; version += 1) {
    const file = metadataFile('root', version);
    const root = parseRoot(await readExisting(folder, file), file);
    const signers = [roots.at(-1) ?? root, root];
    if (root.signed.version !== version || !signers.every((by) => isSignedBy(by, 'root', root))) {
      throw edited(folder, file);
    }
    roots.push(root);
  }
  return roots;
}

/** Signed by any root that ever was: after a change of keys the old file stays good until it is replaced. */
async function readSigned<M extends AnyMetadata>(
  folder: Folder,
  names: readonly string[],
  role: Exclude<Role, 'root'>,
  parse: (bytes: Buffer, file: string) => M,
  roots: readonly Metadata<Root>[],
): Promise<M> {
  const version = role === 'timestamp' ? 0 : latest(names, role, folder.path);
  const file = metadataFile(role, version);
  const metadata = parse(await readExisting(folder, file), file);
  const signed = roots.some((root) => isSignedBy(root, role, metadata));
  if (!signed || (version !== 0 && metadata.signed.version !== version)) {
    throw edited(folder, file);
  }
  return metadata;
}

async function readExisting(folder: Folder, file: string): Promise<Buffer> {
  const bytes = await folder.read(file);
  if (bytes === null) {
    throw new ReleaseError(`${folder.path}/${file} is missing: restore it from a copy`);
  }
  return bytes;
}

const edited = (folder: Folder, file: string): ReleaseError =>
  new ReleaseError(
    `${folder.path}/${file} does not carry the signatures that it needs: it was changed after it was signed; restore it from a copy`,
  );

/** A file that was signed in full, and killed before it was taken away here, counts as none. */
async function readStaged<M extends AnyMetadata>(
  folder: Folder,
  role: OfflineRole,
  parse: (bytes: Buffer, file: string) => M,
  current: number,
): Promise<M | null> {
  const file = stagedFile(role);
  const bytes = await folder.read(file);
  if (bytes === null) return null;
  const metadata = parse(bytes, file);
  if (metadata.signed.version === current) return null;
  if (metadata.signed.version === current + 1) return metadata;
  throw new ReleaseError(
    `${folder.path}/${file} has version ${metadata.signed.version}, where ${current + 1} follows: remove it and add anew`,
  );
}

export function stage(repository: Repository, role: OfflineRole, metadata: AnyMetadata) {
  return repository.folder.replace(stagedFile(role), serialise(metadata));
}

/** What a new release is put on top of: what is staged already, or what is signed. */
export function baseOf({ staged, releases, highest }: Repository): {
  releases: Release[];
  highest: Highest;
} {
  if (staged.targets === null) return { releases, highest };
  const file = stagedFile('targets');
  return {
    releases: releasesOf(staged.targets, file),
    highest: highestOf(staged.targets, file),
  };
}

/** Staged targets may have been edited by anyone who holds the folder: they are judged before they are signed. */
export function refuseBadStage(repository: Repository): void {
  const problems = problemsOf(repository, baseOf(repository));
  if (problems.length === 0) return;
  throw new ReleaseError(
    `${repository.folder.path}/${stagedFile('targets')} can't follow what is signed (remove it and add anew):\n${problems.join('\n')}`,
  );
}
