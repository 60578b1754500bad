import { Metadata, MetaFile, Snapshot, Timestamp, type Root, type Targets } from '@tufjs/models';
import { ReleaseError } from './errors';
import { digestOfBytes } from './folder';
import { addSignature, isSignedBy, serialise, type AnyMetadata } from './metadata';
import type { Signer } from './signer';

/** What the two online roles say; each names the file below it by version, length and hash. */
export const snapshotOf = (
  targets: Metadata<Targets>,
  version: number,
  expires: string,
): Metadata<Snapshot> =>
  new Metadata(
    new Snapshot({
      version,
      specVersion: '1.0.31',
      expires,
      meta: { 'targets.json': metaOf(targets) },
    }),
  );

export const timestampOf = (
  snapshot: Metadata<Snapshot>,
  version: number,
  expires: string,
): Metadata<Timestamp> =>
  new Metadata(
    new Timestamp({ version, specVersion: '1.0.31', expires, snapshotMeta: metaOf(snapshot) }),
  );

function metaOf(metadata: AnyMetadata): MetaFile {
  const { length, sha256 } = digestOfBytes(serialise(metadata));
  return new MetaFile({ version: metadata.signed.version, length, hashes: { sha256 } });
}

/** True where the snapshot lists exactly this targets.json. */
export function lists(snapshot: Metadata<Snapshot>, targets: Metadata<Targets>): boolean {
  const meta = snapshot.signed.meta['targets.json'];
  return meta !== undefined && meta.equals(metaOf(targets));
}

export async function signOnline(
  root: Metadata<Root>,
  metadata: Metadata<Snapshot> | Metadata<Timestamp>,
  signers: readonly Signer[],
): Promise<void> {
  const role = metadata.signed.type;
  const allowed = root.signed.roles[role]?.keyIDs ?? [];
  for (const signer of signers.filter(({ keyId }) => allowed.includes(keyId))) {
    await addSignature(metadata, signer);
  }
  if (isSignedBy(root, role, metadata)) return;
  throw new ReleaseError(
    `--online-keys: these keys are not the ${role} key of this repository (${allowed.map(short).join(', ')})`,
  );
}

/** Enough of a key id to tell keys apart. */
export const short = (keyId: string): string => keyId.slice(0, 8);
