import { isDeepStrictEqual } from 'node:util';
import { Metadata, Root, Signature } from '@tufjs/models';
import { ConfigError } from '../../domain/environment';
import { ReleaseError } from './errors';
import {
  addSignature,
  countSignatures,
  expiresIn,
  lifetimesOf,
  serialise,
  type AnyMetadata,
  type OfflineRole,
} from './metadata';
import { targetsOf } from './releases';
import {
  baseOf,
  metadataFile,
  refuseBadStage,
  stage,
  stagedFile,
  type Repository,
} from './repository';
import type { Signer } from './signer';

export interface SignInput {
  signers: readonly Signer[];
  /** The same staged file, as another key holder signed a copy of it. */
  others: readonly { file: string; metadata: AnyMetadata }[];
  /** Only says what these signatures would put in force. */
  dryRun: boolean;
}

export interface Signed {
  role: OfflineRole;
  version: number;
  expires: string;
  signatures: number;
  threshold: number;
  /** The staged file is in force from now on: `publish` takes it. */
  complete: boolean;
}

/** A new version of a role with the same content and a later expiry; what waits for signatures only waits longer. */
export async function renew(
  repository: Repository,
  role: OfflineRole,
  nowMs: number,
): Promise<void> {
  const { root, targets } = repository;
  const expires = expiresIn(lifetimesOf(root)[role], nowMs);
  if (role === 'targets') {
    refuseBadStage(repository);
    const { releases, highest } = baseOf(repository);
    const next = targetsOf(targets.signed.version + 1, expires, highest, releases);
    return stage(repository, role, new Metadata(next));
  }
  const json = root.signed.toJSON();
  const next = Root.fromJSON({ ...json, version: root.signed.version + 1, expires });
  return stage(repository, role, new Metadata(next));
}

/**
 * Adds the signatures of these keys to all that is staged. What reaches its threshold goes in force. Safe to repeat:
 * an Ed25519 signature of the same bytes is the same.
 */
export async function signStaged(repository: Repository, input: SignInput): Promise<Signed[]> {
  refuseBadStage(repository);
  refuseOtherKeys(repository);
  const staged = (['root', 'targets'] as const).flatMap((role) => {
    const metadata = repository.staged[role];
    return metadata === null ? [] : [{ role, metadata }];
  });
  if (staged.length === 0) {
    throw new ReleaseError('Nothing is staged: add a release first, or renew with --renew');
  }
  refuseStrangers(repository, input.signers);
  const { dryRun } = input;
  const before = staged.map(({ metadata }) => serialise(metadata).toString());
  for (const { role, metadata } of staged) {
    refuseForgedSignatures(repository, role, metadata);
    for (const signer of input.signers) {
      if (maySign(repository, role, signer.keyId)) await addSignature(metadata, signer);
    }
    for (const { file, metadata: other } of input.others) merge(metadata, other, file);
    refuseForgedSignatures(repository, role, metadata);
  }
  const after = staged.map(({ metadata }) => serialise(metadata).toString());
  const signed: Signed[] = [];
  for (const [index, { role, metadata }] of staged.entries()) {
    if (!dryRun && before[index] !== after[index]) await stage(repository, role, metadata);
    signed.push(await putInForce(repository, role, metadata, dryRun));
  }
  return signed;
}

const maySign = ({ root }: Repository, role: OfflineRole, keyId: string): boolean =>
  root.signed.roles[role]?.keyIDs.includes(keyId) === true;

/** Whoever holds the folder could put a key of his own in: a staged root may only last longer. */
function refuseOtherKeys({ root, staged, folder }: Repository): void {
  if (staged.root === null) return;
  const lasting = (of: Root): object => ({ ...of.toJSON(), version: 0, expires: '' });
  if (isDeepStrictEqual(lasting(staged.root.signed), lasting(root.signed))) return;
  throw new ReleaseError(
    `${folder.path}/${stagedFile('root')} changes more than version and expiry: remove it and renew anew`,
  );
}

function refuseStrangers(repository: Repository, signers: readonly Signer[]): void {
  const roles = (['root', 'targets'] as const).filter((role) => repository.staged[role] !== null);
  const useful = signers.some(({ keyId }) =>
    roles.some((role) => maySign(repository, role, keyId)),
  );
  if (useful || signers.length === 0) return;
  throw new ConfigError(
    `--keys: none of these is a ${roles.join(' or ')} key of this repository: ${signers.map(({ label }) => label).join(', ')}`,
  );
}

function refuseForgedSignatures(
  repository: Repository,
  role: OfflineRole,
  metadata: AnyMetadata,
): void {
  const { valid } = countSignatures(repository.root, role, metadata);
  const wrong = Object.keys(metadata.signatures).filter((keyId) => !valid.includes(keyId));
  if (wrong.length === 0) return;
  throw new ReleaseError(
    `${repository.folder.path}/${stagedFile(role)}: the signature of ${wrong.join(', ')} does not fit: the file was changed after it was signed; remove it and add anew`,
  );
}

function merge(metadata: AnyMetadata, other: AnyMetadata, file: string): void {
  if (other.signed.type !== metadata.signed.type) return;
  const same = JSON.stringify(other.signed.toJSON()) === JSON.stringify(metadata.signed.toJSON());
  if (!same) throw new ConfigError(`--merge: ${file} is not a copy of what is staged here`);
  for (const { keyID, sig } of Object.values(other.signatures)) {
    metadata.signatures[keyID] = new Signature({ keyID, sig });
  }
}

async function putInForce(
  repository: Repository,
  role: OfflineRole,
  metadata: AnyMetadata,
  dryRun: boolean,
): Promise<Signed> {
  const { valid, threshold } = countSignatures(repository.root, role, metadata);
  const complete = valid.length >= threshold;
  const { version, expires } = metadata.signed;
  if (complete && !dryRun) {
    await repository.folder.replace(metadataFile(role, version), serialise(metadata));
    await repository.folder.remove(stagedFile(role));
  }
  return { role, version, expires, signatures: valid.length, threshold, complete };
}
