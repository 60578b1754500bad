import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  newKeys,
  publicKeys,
  sha256,
  signMetadata,
  type RoleKeys,
  type Signed,
  type Signer,
} from './tuf-keys';

/**
 * A TUF repository for tests, written as plain JSON by code that the agent has no part in, so that a test can sign
 * whatever a thief of the keys would. Layout: `<dir>/metadata/<n>.root.json …`, `<dir>/targets/<path>/<sha256>.<file>`,
 * and `<dir>/root.json`, the root that a device is shipped with.
 */
export interface TufRepository {
  dir: string;
  metadataDir: string;
  targetsDir: string;
  /** Version 1 of the root. */
  rootFile: string;
  /** Listed, and written to `targets/`, by the next `publish`; the same name again replaces it. */
  addTarget(name: string, content: Buffer | string, custom?: unknown, role?: string): AddedTarget;
  removeTarget(name: string, role?: string): void;
  /** `parent` (`targets` or a role delegated before) trusts `role` for these path patterns from the next `publish`. */
  delegate(role: string, paths: readonly string[], parent?: string): void;
  /** New keys for a role, in force from the next `publish`, which then writes a root (or delegator), too. */
  rotateKeys(role: TopRole): void;
  /** Signs and writes the next version of everything below root; of root where `root` or changed keys ask for it. */
  publish(options?: PublishOptions): Versions;
  /** A metadata file as it is now, by its name in `metadata/`. */
  read(file: string): Buffer;
  /** Replaces a metadata file, by its name in `metadata/`. */
  write(file: string, content: Buffer | string): void;
}

export interface AddedTarget {
  name: string;
  length: number;
  sha256: string;
  /** In `targets/`. */
  file: string;
}

export type TopRole = 'root' | 'targets' | 'snapshot' | 'timestamp';
export type Versions = Record<string, number>;

export interface PublishOptions {
  /** Also writes a new version of root. */
  root?: boolean;
  /** By role; a day from now if left out. */
  expires?: Record<string, Date>;
  /** By role: a version in place of the next. */
  versions?: Record<string, number>;
  /** By role: how many of its keys sign; all if left out. */
  signatures?: Record<string, number>;
  /** By role: changes what is signed. What points to it (snapshot, timestamp) fits the changed one. */
  change?: Record<string, (signed: Signed) => Signed>;
  /** Roles whose entries in snapshot and timestamp lack length and hashes, which TUF allows. */
  bare?: boolean;
}

export interface RepositoryOptions {
  /** Keys and threshold by role; root has 2 of 3, targets 2 of 2, the others one. */
  keys?: Partial<Record<TopRole, { count: number; threshold: number }>>;
}

interface TargetsRole {
  targets: Map<string, unknown>;
  delegated: { name: string; paths: readonly string[] }[];
}

const DAY_MS = 86_400_000;
const DEFAULT_KEYS = {
  root: { count: 3, threshold: 2 },
  targets: { count: 2, threshold: 2 },
  snapshot: { count: 1, threshold: 1 },
  timestamp: { count: 1, threshold: 1 },
};

export function createRepository(dir: string, options: RepositoryOptions = {}): TufRepository {
  const state = initialState(options);
  const metadataDir = join(dir, 'metadata');
  const targetsDir = join(dir, 'targets');
  mkdirSync(metadataDir, { recursive: true });
  mkdirSync(targetsDir, { recursive: true });
  return {
    dir,
    metadataDir,
    targetsDir,
    rootFile: join(dir, 'root.json'),
    addTarget: (name, content, custom, role = 'targets') => {
      const bytes = Buffer.from(content);
      const hash = sha256(bytes);
      const hashed = join(dirname(name), `${hash}.${name.slice(name.lastIndexOf('/') + 1)}`);
      const file = join(targetsDir, hashed);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
      roleOf(state, role).targets.set(name, {
        length: bytes.length,
        hashes: { sha256: hash },
        ...(custom === undefined ? {} : { custom }),
      });
      return { name, length: bytes.length, sha256: hash, file };
    },
    removeTarget: (name, role = 'targets') => {
      roleOf(state, role).targets.delete(name);
    },
    delegate: (role, paths, parent = 'targets') => {
      roleOf(state, parent).delegated.push({ name: role, paths });
      state.keys[role] ??= newKeys(1, 1);
      state.roles[role] ??= { targets: new Map(), delegated: [] };
    },
    rotateKeys: (role) => {
      const { signers, threshold } = keysOf(state, role);
      if (role === 'root') state.formerRootSigners = signers;
      state.keys[role] = newKeys(signers.length, threshold);
      state.rootChanged = true;
    },
    publish: (publishOptions = {}) => publish(state, dir, publishOptions),
    read: (file) => readFileSync(join(metadataDir, file)),
    write: (file, content) => writeFileSync(join(metadataDir, file), content),
  };
}

interface State {
  keys: Record<string, RoleKeys>;
  roles: Record<string, TargetsRole>;
  versions: Versions;
  /** Keys of the root before, which must sign its successor as well. */
  formerRootSigners: Signer[];
  rootChanged: boolean;
}

function initialState({ keys = {} }: RepositoryOptions): State {
  const wanted = Object.entries({ ...DEFAULT_KEYS, ...keys });
  return {
    keys: Object.fromEntries(
      wanted.map(([role, { count, threshold }]) => [role, newKeys(count, threshold)]),
    ),
    roles: { targets: { targets: new Map(), delegated: [] } },
    versions: {},
    formerRootSigners: [],
    rootChanged: true,
  };
}

function publish(state: State, dir: string, options: PublishOptions): Versions {
  const metadataDir = join(dir, 'metadata');
  const write = (role: string, fields: Signed): Buffer => {
    const version = options.versions?.[role] ?? (state.versions[role] ?? 0) + 1;
    state.versions[role] = version;
    const bytes = signedBytes(state, role, options, { ...fields, version });
    const name = role === 'timestamp' ? 'timestamp' : `${version}.${encodeURIComponent(role)}`;
    writeFileSync(join(metadataDir, `${name}.json`), bytes);
    return bytes;
  };
  const entry = (role: string, bytes: Buffer): Signed => ({
    version: state.versions[role],
    ...(options.bare === true ? {} : { length: bytes.length, hashes: { sha256: sha256(bytes) } }),
  });

  if (state.rootChanged || options.root === true) {
    const bytes = write('root', rootFields(state));
    if (state.versions['root'] === 1) writeFileSync(join(dir, 'root.json'), bytes);
    state.rootChanged = false;
    state.formerRootSigners = [];
  }
  const meta: Record<string, Signed> = {};
  for (const [role, content] of Object.entries(state.roles)) {
    meta[`${role}.json`] = entry(role, write(role, targetsFields(state, content)));
  }
  const snapshot = write('snapshot', { _type: 'snapshot', meta });
  write('timestamp', {
    _type: 'timestamp',
    meta: { 'snapshot.json': entry('snapshot', snapshot) },
  });
  return { ...state.versions };
}

function signedBytes(state: State, role: string, options: PublishOptions, fields: Signed): Buffer {
  const expires = options.expires?.[role] ?? new Date(Date.now() + DAY_MS);
  const asMeant: Signed = {
    spec_version: '1.0.31',
    expires: expires.toISOString().replace(/\.\d+Z$/, 'Z'),
    ...fields,
  };
  const signed = options.change?.[role]?.(asMeant) ?? asMeant;
  const own = keysOf(state, role).signers.slice(0, options.signatures?.[role]);
  const signers = role === 'root' ? [...own, ...state.formerRootSigners] : own;
  return signMetadata(signed, signers);
}

function rootFields(state: State): Signed {
  const roles = (['root', 'targets', 'snapshot', 'timestamp'] as const).map(
    (role) => [role, keysOf(state, role)] as const,
  );
  return {
    _type: 'root',
    consistent_snapshot: true,
    keys: publicKeys(roles.flatMap(([, { signers }]) => signers)),
    roles: Object.fromEntries(
      roles.map(([role, { signers, threshold }]) => [
        role,
        { keyids: signers.map(({ id }) => id), threshold },
      ]),
    ),
  };
}

function targetsFields(state: State, { targets: listed, delegated }: TargetsRole): Signed {
  const targets = Object.fromEntries(listed);
  if (delegated.length === 0) return { _type: 'targets', targets };
  const roles = delegated.map(({ name, paths }) => {
    const { signers, threshold } = keysOf(state, name);
    return { name, paths, terminating: false, keyids: signers.map(({ id }) => id), threshold };
  });
  const signers = delegated.flatMap(({ name }) => keysOf(state, name).signers);
  return { _type: 'targets', targets, delegations: { keys: publicKeys(signers), roles } };
}

function keysOf(state: State, role: string): RoleKeys {
  const keys = state.keys[role];
  if (keys === undefined) throw new Error(`no role ${role}: delegate it first`);
  return keys;
}

function roleOf(state: State, role: string): TargetsRole {
  const found = state.roles[role];
  if (found === undefined) throw new Error(`no role ${role}: delegate it first`);
  return found;
}
