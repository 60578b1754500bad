import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Updater } from 'tuf-js';
import { z } from 'zod';
import { messageOf, parseJson, problemOf } from '../errors';
import { UpdateRefusedError } from '../update/types';
import { MetadataFetcher, RepositoryUnreachableError } from './metadata-fetcher';
import { beginRefresh, ROLES, type StoreOptions, type Versions } from './store';

/** As tuf-js hands it out. */
export type SignedTarget = NonNullable<Awaited<ReturnType<Updater['getTargetInfo']>>>;

export interface Limits {
  /** For one file, its body included. */
  requestMs: number;
  /** For a whole refresh. */
  refreshMs: number;
  /** Of one file, after a lost connection, a time-out or a 5xx. */
  retries: number;
  retryDelayMs: number;
}
export const LIMITS: Limits = {
  requestMs: 120_000,
  refreshMs: 900_000,
  retries: 2,
  retryDelayMs: 1_000,
};

/** In bytes; and how many roots one refresh may go through, and delegated roles one search. */
const METADATA_LIMITS = {
  rootMaxLength: 512_000,
  timestampMaxLength: 16_384,
  snapshotMaxLength: 2_000_000,
  targetsMaxLength: 5_000_000,
  maxRootRotations: 64,
  maxDelegations: 32,
};

export interface RefreshOptions extends StoreOptions {
  metadataUrl: string;
  /** What expiry is held against: never behind the last time that the device knew. */
  now: () => Date;
  limits?: Partial<Limits> | undefined;
  /** Certificate authorities instead of those of the system. */
  ca?: string | Buffer | undefined;
}

/** The repository as it is after one refresh. */
export interface Refreshed {
  /** Artifacts are published under names that start with their hash. */
  hashPrefixed: boolean;
  /** Undefined where no role that is trusted for this path lists it. */
  find: (name: string) => Promise<SignedTarget | undefined>;
}

/**
 * One pass of TUF's client workflow, and whatever `use` looks up in it. What was verified before an error is kept,
 * as the workflow asks for; that is how a device learns of a new root while the rest can't be fetched.
 * https://theupdateframework.github.io/specification/latest/#detailed-client-workflow
 */
export async function refreshed<T>(
  options: RefreshOptions,
  use: (repository: Refreshed) => Promise<T>,
): Promise<T> {
  const scratch = beginRefresh(options);
  try {
    const fetcher = new MetadataFetcher({
      ...LIMITS,
      ...options.limits,
      maxBytes: METADATA_LIMITS.targetsMaxLength,
      ca: options.ca,
    });
    const updater = new Updater({
      metadataDir: scratch.folder,
      metadataBaseUrl: options.metadataUrl,
      fetcher,
      config: METADATA_LIMITS,
    });
    const trusted = trustedBy(updater);
    trusted.referenceTime = options.now();
    const outcome = await settle(async () => {
      await classified(fetcher, () => updater.refresh());
      assertExpiryReadable(trusted);
      return await use({
        hashPrefixed: trusted.root.signed.consistentSnapshot,
        find: async (name) => {
          forgetDelegated(trusted);
          const found = await classified(fetcher, () => updater.getTargetInfo(name));
          assertExpiryReadable(trusted);
          return found;
        },
      });
    });
    if (outcome.error instanceof NotSavedError) throw outcome.error;
    scratch.commit(savedVersions(scratch.folder, trusted));
    if (outcome.error !== null) throw outcome.error;
    return outcome.value;
  } finally {
    scratch.discard();
  }
}

/** What the disk refused, so that the scratch copy is worth nothing. */
class NotSavedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NotSavedError';
  }
}

type Outcome<T> = { error: Error } | { error: null; value: T };

async function settle<T>(act: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { error: null, value: await act() };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(messageOf(error)) };
  }
}

/**
 * tuf-js wraps errors as text, so what the fetcher failed with is asked of the fetcher. Everything that neither the
 * network nor the disk did was in the metadata, a stack that overflows over its nesting included.
 */
async function classified<T>(fetcher: MetadataFetcher, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { failure } = fetcher;
    if (failure instanceof UpdateRefusedError) throw failure;
    if (failure !== null) throw new RepositoryUnreachableError(oneLine(failure.message));
    const message = oneLine(messageOf(error));
    throw message.includes('Failed to persist metadata')
      ? new NotSavedError(message)
      : new UpdateRefusedError(`the update metadata is refused: ${message}`);
  }
}

/** It may quote metadata, and goes to a log and a job's status. */
export const oneLine = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 400);

interface RoleMetadata {
  signed: { version: number; expires: string };
}
type TrustedSet = Record<string, RoleMetadata | undefined>;

/** What tuf-js keeps private. Its version is pinned, and a shape that moved is noticed at once. */
interface TrustedMetadata {
  referenceTime: Date;
  trustedSet: TrustedSet;
  root: { signed: { consistentSnapshot: boolean } };
}

function trustedBy(updater: Updater): TrustedMetadata {
  const { trustedSet: trusted } = updater as unknown as { trustedSet?: TrustedMetadata };
  if (trusted === undefined || !('referenceTime' in trusted) || !('trustedSet' in trusted))
    throw new Error('tuf-js has moved its reference time');
  return trusted;
}

/**
 * tuf-js takes a role that it holds without asking whether the keys of another delegator signed it, too; what is
 * not held is verified again, from the scratch copy.
 */
function forgetDelegated(trusted: TrustedMetadata): void {
  const top = Object.entries(trusted.trustedSet).filter(([role]) => isTopRole(role));
  trusted.trustedSet = Object.fromEntries(top);
}

const isTopRole = (role: string): boolean => ROLES.some((top) => top === role);

/** tuf-js takes a date that it can't read for one that never comes. */
function assertExpiryReadable({ trustedSet }: TrustedMetadata): void {
  for (const [role, metadata] of Object.entries(trustedSet)) {
    const expires = metadata?.signed.expires ?? '';
    if (Number.isNaN(Date.parse(expires)))
      throw new UpdateRefusedError(
        `${role} metadata expires at ${oneLine(expires)}, which is no date`,
      );
  }
}

const anyMetadata = z.object({ signed: z.object({ version: z.int() }) });

/** Of the roles whose trusted version is in the folder: tuf-js holds some that it then does not keep. */
function savedVersions(folder: string, { trustedSet }: TrustedMetadata): Versions {
  const saved = ROLES.filter((role) => {
    const trusted = trustedSet[role]?.signed.version;
    return trusted !== undefined && versionOf(join(folder, `${role}.json`)) === trusted;
  });
  return Object.fromEntries(saved.map((role) => [role, trustedSet[role]?.signed.version]));
}

function versionOf(path: string): number | null {
  let text = '';
  problemOf(() => (text = readFileSync(path, 'utf8')));
  return anyMetadata.safeParse(parseJson(text)).data?.signed.version ?? null;
}
