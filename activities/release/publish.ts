import { basename, dirname } from 'node:path/posix';
import type { Metadata, Snapshot, Timestamp } from '@tufjs/models';
import { ReleaseError } from './errors';
import type { Content } from './folder';
import {
  countSignatures,
  daysLeft,
  expiresIn,
  isSignedBy,
  lifetimesOf,
  parseSnapshot,
  parseTimestamp,
  serialise,
} from './metadata';
import { lists, signOnline, snapshotOf, timestampOf } from './online';
import type { Release } from './releases';
import { artifactFile, metadataFile, type Repository } from './repository';
import type { Signer } from './signer';
import { putOnce, type ReleaseStore } from './store';

export interface PublishInput {
  signers: readonly Signer[];
  nowMs: number;
  /** Only says what it would write. */
  dryRun: boolean;
  /** Leaves out what is staged and the artifacts: a later expiry for what is published, as a cron job wants it. */
  refresh: boolean;
  progress: (line: string) => void;
}

export interface PublishResult {
  /** Names, in the order of writing. */
  written: string[];
  versions: { root: number; targets: number; snapshot: number; timestamp: number };
  /** Of the timestamp: publish again before. */
  expires: string;
}

/** Names below the store; artifacts as TUF's consistent snapshots have them, `<folder>/<sha256>.<file>`. */
export const targetFile = ({ name, sha256 }: Pick<Release, 'name' | 'sha256'>): string => {
  const folder = dirname(name);
  const file = `${sha256}.${basename(name)}`;
  return folder === '.' ? `targets/${file}` : `targets/${folder}/${file}`;
};

/** Every other publisher's snapshot number that a killed publish may have taken. */
const MAX_TAKEN = 100;

/**
 * Artifacts first, the timestamp last: until then devices see what they saw before, from then on everything.
 * Killed at any step it can be run again: what is there with the same bytes is left, other bytes are refused.
 */
export async function publish(
  repository: Repository,
  store: ReleaseStore,
  input: PublishInput,
): Promise<PublishResult> {
  refuseUnsigned(repository, input);
  const published = await readPublished(repository, store);
  const writer = createWriter(store, input);
  if (!input.refresh) {
    for (const release of repository.releases) {
      await writer.once(targetFile(release), () => artifactOf(repository, store, release));
    }
  }
  const { targets, roots, folder } = repository;
  const targetsName = metadataFile('targets', targets.signed.version);
  await writer.once(targetsName, () => Promise.resolve(serialise(targets)));
  const snapshot = await putSnapshot(repository, published, input, writer);
  for (const root of roots) {
    const bytes = serialise(root);
    await writer.once(metadataFile('root', root.signed.version), () => Promise.resolve(bytes));
  }
  const timestamp = await newTimestamp(repository, published, snapshot, input);
  const name = metadataFile('timestamp', 0);
  if (!input.dryRun) {
    await folder.replace(name, serialise(timestamp));
    await store.replace(name, serialise(timestamp), published.timestampBytes);
  }
  writer.note(name);
  const { root } = repository;
  return {
    written: writer.written,
    versions: {
      root: root.signed.version,
      targets: targets.signed.version,
      snapshot: snapshot.signed.version,
      timestamp: timestamp.signed.version,
    },
    expires: timestamp.signed.expires,
  };
}

function refuseUnsigned(repository: Repository, { nowMs, refresh }: PublishInput): void {
  const { root, targets, staged } = repository;
  if (!isSignedBy(root, 'targets', targets)) {
    throw new ReleaseError(
      'targets.json is signed by keys that root no longer names: sign --renew targets',
    );
  }
  for (const { signed } of [root, targets]) {
    if (daysLeft(signed.expires, nowMs) < 0) {
      throw new ReleaseError(
        `${signed.type}.json expired at ${signed.expires}, and devices refuse it: sign --renew ${signed.type}`,
      );
    }
  }
  if (refresh) return;
  for (const role of ['root', 'targets'] as const) {
    const metadata = staged[role];
    if (metadata === null) continue;
    const { valid, threshold } = countSignatures(root, role, metadata);
    throw new ReleaseError(
      `${role}.json version ${metadata.signed.version} waits with ${valid.length} of ${threshold} signatures: sign it, or publish what is signed with --refresh`,
    );
  }
}

interface Published {
  timestamp: Metadata<Timestamp> | null;
  timestampBytes: Buffer | null;
  snapshot: Metadata<Snapshot> | null;
}

/** What is there must be an earlier state of this very repository. */
async function readPublished(repository: Repository, store: ReleaseStore): Promise<Published> {
  const { roots, root, targets } = repository;
  const first = await store.read(metadataFile('root', 1));
  const [own] = roots;
  if (first !== null && own !== undefined && !first.equals(serialise(own))) {
    throw new ReleaseError(`${store.place} holds another repository: publish to another place`);
  }
  const older = new ReleaseError(
    `${store.place} is ahead of this copy of the repository: work with the newest copy`,
  );
  if ((await store.read(metadataFile('root', root.signed.version + 1))) !== null) throw older;
  const file = metadataFile('timestamp', 0);
  const timestampBytes = await store.read(file);
  if (timestampBytes === null) return { timestamp: null, timestampBytes, snapshot: null };
  const timestamp = parseTimestamp(timestampBytes, `${store.place}/${file}`);
  if (!roots.some((by) => isSignedBy(by, 'timestamp', timestamp))) {
    throw new ReleaseError(
      `${store.place}/${file} is not signed by this repository's keys: publish to another place`,
    );
  }
  const name = metadataFile('snapshot', timestamp.signed.snapshotMeta.version);
  const bytes = await store.read(name);
  const snapshot = bytes === null ? null : parseSnapshot(bytes, `${store.place}/${name}`);
  const listed = snapshot?.signed.meta['targets.json']?.version ?? 0;
  if (listed > targets.signed.version) throw older;
  return { timestamp, timestampBytes, snapshot };
}

interface Writer {
  written: string[];
  note(name: string): void;
  /** Throws where the name is taken by other bytes. */
  once(name: string, content: () => Promise<Content>): Promise<void>;
  /** False where the name is taken by other bytes. */
  tryOnce(name: string, content: Buffer): Promise<boolean>;
}

function createWriter(store: ReleaseStore, { dryRun, progress }: PublishInput): Writer {
  const written: string[] = [];
  const note = (name: string): void => {
    written.push(name);
    progress(`${dryRun ? 'would write' : 'wrote'} ${name}`);
  };
  const put = async (name: string, content: Content): Promise<boolean> => {
    if (dryRun) {
      if ((await store.digest(name)) === null) note(name);
      return true;
    }
    const outcome = await putOnce(store, name, content);
    if (outcome === 'written') note(name);
    return outcome !== 'other';
  };
  return {
    written,
    note,
    tryOnce: put,
    async once(name, content) {
      if (await put(name, await content())) return;
      throw new ReleaseError(
        `${store.place}/${name} is there with other bytes, and a name that devices may have seen never changes`,
      );
    },
  };
}

/** A copy of the repository without the artifacts may publish, too, as long as they are where devices look. */
async function artifactOf(
  { folder }: Repository,
  store: ReleaseStore,
  release: Release,
): Promise<Content> {
  const file = artifactFile(release.sha256);
  const { length, sha256 } = release;
  if (await folder.has(file)) return { file: `${folder.path}/${file}`, length, sha256 };
  const there = await store.digest(targetFile(release));
  if (there?.sha256 === sha256) return { file, length, sha256 };
  throw new ReleaseError(`${folder.path}/${file}, the artifact of ${release.name}, is missing`);
}

/** The one at hand serves for the first half of its life, so that a refresh writes the timestamp alone. */
async function putSnapshot(
  repository: Repository,
  published: Published,
  input: PublishInput,
  writer: Writer,
): Promise<Metadata<Snapshot>> {
  const { root, targets, snapshot, folder } = repository;
  const lifetime = lifetimesOf(root).snapshot;
  const least = published.timestamp?.signed.snapshotMeta.version ?? 0;
  const usable =
    isSignedBy(root, 'snapshot', snapshot) &&
    lists(snapshot, targets) &&
    snapshot.signed.version >= least &&
    snapshot.signed.expires >= expiresIn(lifetime / 2, input.nowMs);
  const name = (version: number): string => metadataFile('snapshot', version);
  const held = snapshot.signed.version;
  if (usable && (await writer.tryOnce(name(held), serialise(snapshot)))) return snapshot;
  const from = Math.max(held, least) + 1;
  for (let version = from; version < from + MAX_TAKEN; version += 1) {
    const next = snapshotOf(targets, version, expiresIn(lifetime, input.nowMs));
    if (!input.dryRun) {
      await signOnline(root, next, input.signers);
      await folder.replace(name(version), serialise(next));
    }
    if (await writer.tryOnce(name(version), serialise(next))) return next;
  }
  throw new ReleaseError(`${MAX_TAKEN} snapshots after ${from} are taken by another publisher`);
}

async function newTimestamp(
  { root, timestamp }: Repository,
  published: Published,
  snapshot: Metadata<Snapshot>,
  input: PublishInput,
): Promise<Metadata<Timestamp>> {
  const version = Math.max(timestamp.signed.version, published.timestamp?.signed.version ?? 0) + 1;
  const expires = expiresIn(lifetimesOf(root).timestamp, input.nowMs);
  const next = timestampOf(snapshot, version, expires);
  if (!input.dryRun) await signOnline(root, next, input.signers);
  return next;
}
