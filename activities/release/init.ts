import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Metadata, MetadataKind, Root } from '@tufjs/models';
import { ConfigError } from '../../domain/environment';
import { hasCode } from './errors';
import { openFolder } from './folder';
import {
  addSignature,
  expiresIn,
  LIFETIMES_FIELD,
  ROLES,
  serialise,
  type AnyMetadata,
  type Lifetimes,
  type Role,
} from './metadata';
import { targetsOf } from './releases';
import { snapshotOf, timestampOf } from './online';
import { makeKey, type NewKey } from './signer';
import { metadataFile } from './repository';

export interface InitInput {
  dir: string;
  keysDir: string;
  /** Of root and of targets. */
  threshold: number;
  rootKeys: number;
  targetsKeys: number;
  lifetimes: Lifetimes;
  /** Encrypts the offline keys; the online ones are used by a machine that would have to hold it, too. */
  passphrase: string | null;
  nowMs: number;
}

export interface InitResult {
  /** Ships with every device. */
  rootFile: string;
  offlineKeys: string[];
  onlineKeys: string[];
}

type Keys = Record<Role, NewKey[]>;

/** Keys and a first, empty, signed repository. Refuses where either is there already: a key is never overwritten. */
export async function initRepository(input: InitInput): Promise<InitResult> {
  const folder = openFolder(input.dir);
  if ((await folder.list('metadata')).length > 0) {
    throw new ConfigError(`--dir: there is a repository in ${input.dir} already`);
  }
  const keys = makeKeys(input);
  const files = await writeKeys(input.keysDir, keys);
  const root = new Metadata(firstRoot(input, keys));
  const expires = (role: Role): string => expiresIn(input.lifetimes[role], input.nowMs);
  const nothing = { release: 0, securityEpoch: 0 };
  const targets = new Metadata(targetsOf(1, expires('targets'), nothing, []));
  await signWith(root, keys.root);
  await signWith(targets, keys.targets);
  const snapshot = snapshotOf(targets, 1, expires('snapshot'));
  await signWith(snapshot, keys.snapshot);
  const timestamp = timestampOf(snapshot, 1, expires('timestamp'));
  await signWith(timestamp, keys.timestamp);
  // The timestamp is what makes it a repository: without it an `init` that was cut short shows.
  for (const metadata of [root, targets, snapshot, timestamp]) {
    const file = metadataFile(metadata.signed.type, 1);
    await folder.replace(file, serialise(metadata));
  }
  return { rootFile: join(input.dir, metadataFile('root', 1)), ...files };
}

function makeKeys({ rootKeys, targetsKeys, passphrase }: InitInput): Keys {
  const make = (role: Role, count: number): NewKey[] =>
    Array.from({ length: count }, (_, index) => makeKey(`${role}-${index + 1}`, passphrase));
  return {
    root: make('root', rootKeys),
    targets: make('targets', targetsKeys),
    snapshot: [makeKey('snapshot', null)],
    timestamp: [makeKey('timestamp', null)],
  };
}

async function writeKeys(
  dir: string,
  keys: Keys,
): Promise<{ offlineKeys: string[]; onlineKeys: string[] }> {
  const write = async (kind: string, made: NewKey[]): Promise<string[]> => {
    const files: string[] = [];
    for (const { signer, pem } of made) {
      const file = join(dir, kind, `${signer.label}.pem`);
      await writeKey(file, pem);
      files.push(file);
    }
    return files;
  };
  return {
    offlineKeys: await write('offline', [...keys.root, ...keys.targets]),
    onlineKeys: await write('online', [...keys.snapshot, ...keys.timestamp]),
  };
}

async function writeKey(file: string, pem: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(pem);
    await handle.sync();
    await handle.close();
  } catch (err) {
    if (!hasCode(err, 'EEXIST')) throw err;
    throw new ConfigError(
      `--keys: ${file} is there already, and a key is never overwritten: name another folder, or move it away if an earlier init was cut short`,
    );
  }
}

function firstRoot({ threshold, lifetimes, nowMs }: InitInput, keys: Keys): Root {
  const all = Object.values(keys).flat();
  const role = (of: Role): object => ({
    keyids: keys[of].map(({ key }) => key.keyID),
    threshold: of === 'root' || of === 'targets' ? threshold : 1,
  });
  const json: unknown = {
    _type: MetadataKind.Root,
    spec_version: '1.0.31',
    version: 1,
    expires: expiresIn(lifetimes.root, nowMs),
    consistent_snapshot: true,
    keys: Object.fromEntries(all.map(({ key }) => [key.keyID, key.toJSON()])),
    roles: Object.fromEntries(ROLES.map((of) => [of, role(of)])),
    [LIFETIMES_FIELD]: lifetimes,
  };
  return Root.fromJSON(json as Parameters<typeof Root.fromJSON>[0]);
}

const signWith = async (metadata: AnyMetadata, keys: readonly NewKey[]): Promise<void> => {
  for (const { signer } of keys) await addSignature(metadata, signer);
};
