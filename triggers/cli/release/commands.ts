import { readFile } from 'node:fs/promises';
import { addRelease } from '../../../activities/release/add';
import { initRepository } from '../../../activities/release/init';
import { withLock } from '../../../activities/release/lock';
import { parseRoot, parseTargets, type AnyMetadata } from '../../../activities/release/metadata';
import { short } from '../../../activities/release/online';
import { publish } from '../../../activities/release/publish';
import { baseOf, openRepository, type Repository } from '../../../activities/release/repository';
import { renew, signStaged } from '../../../activities/release/sign';
import { readSigners, type Signer } from '../../../activities/release/signer';
import type { ReleaseStore } from '../../../activities/release/store';
import { verifyRepository } from '../../../activities/release/verify';
import { ConfigError } from '../../../domain/environment';
import type {
  AddOptions,
  InitOptions,
  Place,
  PublishOptions,
  ReleaseCliConfig,
  SignOptions,
  VerifyOptions,
} from './config';
import {
  describeAdded,
  describeInit,
  describePublished,
  describeSigned,
  describeVerified,
} from './report';

export interface CommandOutput {
  text: string;
  data: Record<string, unknown>;
}

export interface ReleaseCliDeps {
  config: ReleaseCliConfig;
  store: (place: Exclude<Place, { kind: 'url' }>) => ReleaseStore;
  now: () => number;
  progress: (line: string) => void;
}

export async function init(deps: ReleaseCliDeps, options: InitOptions): Promise<CommandOutput> {
  const { rootDays, targetsDays, snapshotDays, timestampDays } = options;
  const result = await initRepository({
    ...options,
    keysDir: options.keys,
    lifetimes: {
      root: rootDays,
      targets: targetsDays,
      snapshot: snapshotDays,
      timestamp: timestampDays,
    },
    passphrase: await passphraseOf(deps, options),
    nowMs: deps.now(),
  });
  return { text: describeInit(result, options), data: { ...result } };
}

export async function add(deps: ReleaseCliDeps, options: AddOptions): Promise<CommandOutput> {
  const { securityEpoch = null, release = null, revert, revertsTo = null } = options;
  const result = await withLock(options.dir, async () =>
    addRelease(await openRepository(options.dir), {
      ...options,
      securityEpoch,
      release,
      revertsTo: revert ? revertsTo : [],
      nowMs: deps.now(),
    }),
  );
  return { text: describeAdded(result, options), data: { ...result } };
}

export async function sign(deps: ReleaseCliDeps, options: SignOptions): Promise<CommandOutput> {
  const { dir, keys, merge = [], dryRun } = options;
  const signers = await signersOf(deps, keys ?? [], options);
  const others = await Promise.all(merge.map(readOther));
  return withLock(dir, async () => {
    if (options.renew !== undefined) {
      await renew(await openRepository(dir), options.renew, deps.now());
    }
    const repository = await openRepository(dir);
    const fresh = stagedReleases(repository);
    const signed = await signStaged(repository, { signers, others, dryRun });
    return {
      text: describeSigned(signed, fresh, options),
      data: { dryRun, signed, releases: fresh },
    };
  });
}

/** What a signature would put in force, for the eyes of the one who gives it. */
function stagedReleases(repository: Repository) {
  const known = new Set(repository.releases.map(({ name }) => name));
  return baseOf(repository).releases.filter(({ name }) => !known.has(name));
}

async function readOther(file: string): Promise<{ file: string; metadata: AnyMetadata }> {
  const bytes = await readFile(file).catch(() => {
    throw new ConfigError(`--merge: ${file} can't be read`);
  });
  // Told apart by what they say they are; either parser looks at all of it.
  const isRoot = /"_type":\s*"root"/.test(bytes.toString('utf8'));
  return { file, metadata: isRoot ? parseRoot(bytes, file) : parseTargets(bytes, file) };
}

export async function publishRepository(
  deps: ReleaseCliDeps,
  options: PublishOptions,
): Promise<CommandOutput> {
  const { dir, to, dryRun, refresh } = options;
  if (to.kind === 'url') throw new ConfigError('--to must be a folder or s3://bucket/prefix');
  const signers = await signersOf(deps, options.onlineKeys, options);
  const store = deps.store(to);
  const { progress } = deps;
  const result = await withLock(dir, async () =>
    publish(await openRepository(dir), store, {
      signers,
      dryRun,
      refresh,
      progress,
      nowMs: deps.now(),
    }),
  );
  return {
    text: describePublished(result, store.place, dryRun),
    data: { to: store.place, dryRun, ...result },
  };
}

export async function verify(deps: ReleaseCliDeps, options: VerifyOptions): Promise<CommandOutput> {
  const { from, root, artifacts } = options;
  const result = await verifyRepository({
    rootFile: root,
    from: from.kind === 'url' ? { url: from.url } : deps.store(from),
    artifacts,
    nowMs: deps.now(),
    progress: deps.progress,
  });
  return { text: describeVerified(result, artifacts), data: { ...result } };
}

async function signersOf(
  deps: ReleaseCliDeps,
  paths: readonly string[],
  options: { passphraseFile?: string | undefined },
): Promise<Signer[]> {
  const signers = await readSigners(paths, await passphraseOf(deps, options));
  for (const { label, keyId } of signers) deps.progress(`key ${short(keyId)} from ${label}`);
  return signers;
}

async function passphraseOf(
  { config }: ReleaseCliDeps,
  { passphraseFile }: { passphraseFile?: string | undefined },
): Promise<string | null> {
  if (passphraseFile === undefined) return config.passphrase;
  const text = await readFile(passphraseFile, 'utf8').catch(() => {
    throw new ConfigError(`--passphrase-file: ${passphraseFile} can't be read`);
  });
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') throw new ConfigError(`--passphrase-file: ${passphraseFile} is empty`);
  return passphrase;
}
