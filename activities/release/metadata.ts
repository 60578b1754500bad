import {
  Metadata,
  MetadataKind,
  Signature,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '@tufjs/models';
import { z } from 'zod';
import { messageOf, ReleaseError } from './errors';
import type { Signer } from './signer';

export type AnyMetadata = Metadata<Root | Targets | Snapshot | Timestamp>;
export const ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type Role = (typeof ROLES)[number];
/** Signed by people with keys that are on no machine of the service. */
export type OfflineRole = 'root' | 'targets';

const DAY_MS = 86_400_000;

/** TUF's format, without parts of a second; python-tuf takes no other. */
export const expiresIn = (days: number, nowMs: number): string =>
  `${new Date(nowMs + days * DAY_MS).toISOString().slice(0, 19)}Z`;

/** Rounded down: 0 on the last day, below 0 once expired. */
export const daysLeft = (expires: string, nowMs: number): number =>
  Math.floor((Date.parse(expires) - nowMs) / DAY_MS);

const days = z.int().min(1).max(3_650);
/** Rides in root's signed part, so that every later signature lasts as long as the root's owners chose. */
const lifetimes = z.strictObject({
  root: days,
  targets: days,
  snapshot: days,
  timestamp: days,
});
export type Lifetimes = z.infer<typeof lifetimes>;
export const LIFETIMES_FIELD = 'x-iot-runbooks-days';

export function lifetimesOf(root: Metadata<Root>): Lifetimes {
  const parsed = lifetimes.safeParse(root.signed.unrecognizedFields[LIFETIMES_FIELD]);
  if (parsed.success) return parsed.data;
  throw new ReleaseError(
    `root.json has no ${LIFETIMES_FIELD}: this repository was not made by "npm run release -- init"`,
  );
}

/** What @tufjs/models takes without a look at it. */
const envelope = z.looseObject({
  signatures: z.array(
    z.looseObject({
      keyid: z.string().max(256),
      sig: z
        .string()
        .regex(/^[0-9a-f]*$/)
        .max(2_048),
    }),
  ),
  signed: z.looseObject({
    _type: z.enum(ROLES),
    version: z.int().min(1),
    expires: z.iso.datetime(),
  }),
});

type Json = z.infer<typeof jsonObject>;
const jsonObject = z.record(z.string(), z.json());

function parse<M>(role: Role, bytes: Buffer, file: string, read: (data: Json) => M): M {
  try {
    const data: unknown = JSON.parse(bytes.toString('utf8'));
    const { signed } = envelope.parse(data);
    if (signed._type !== role) throw new Error(`it is of type ${signed._type}`);
    return read(jsonObject.parse(data));
  } catch (err) {
    const reason = err instanceof z.ZodError ? z.prettifyError(err) : messageOf(err);
    throw new ReleaseError(`${file} is no ${role} metadata (restore it from a copy): ${reason}`);
  }
}

export const parseRoot = (bytes: Buffer, file: string): Metadata<Root> =>
  parse('root', bytes, file, (data) => Metadata.fromJSON(MetadataKind.Root, data));
export const parseTargets = (bytes: Buffer, file: string): Metadata<Targets> =>
  parse('targets', bytes, file, (data) => Metadata.fromJSON(MetadataKind.Targets, data));
export const parseSnapshot = (bytes: Buffer, file: string): Metadata<Snapshot> =>
  parse('snapshot', bytes, file, (data) => Metadata.fromJSON(MetadataKind.Snapshot, data));
export const parseTimestamp = (bytes: Buffer, file: string): Metadata<Timestamp> =>
  parse('timestamp', bytes, file, (data) => Metadata.fromJSON(MetadataKind.Timestamp, data));

export const serialise = (metadata: AnyMetadata): Buffer =>
  Buffer.from(`${JSON.stringify(metadata.toJSON(), null, 1)}\n`);

/** Canonical JSON of the signed part, as @tufjs/models hands it to a signer; it exports no other way to it. */
export function signedBytes({ signed }: AnyMetadata): Buffer {
  let bytes: Buffer = Buffer.alloc(0);
  new Metadata(signed).sign((data) => {
    bytes = data;
    return new Signature({ keyID: '', sig: '' });
  });
  return bytes;
}

export async function addSignature(metadata: AnyMetadata, signer: Signer): Promise<void> {
  const sig = (await signer.sign(signedBytes(metadata))).toString('hex');
  metadata.signatures[signer.keyId] = new Signature({ keyID: signer.keyId, sig });
}

export interface SignatureCount {
  /** Key ids whose signature holds. */
  valid: string[];
  threshold: number;
}

/** What `root` makes of the signatures: those of other keys count for nothing, nor does one key twice. */
export function countSignatures(
  root: Metadata<Root>,
  role: Role,
  metadata: AnyMetadata,
): SignatureCount {
  const { keyIDs = [], threshold = Number.POSITIVE_INFINITY } = root.signed.roles[role] ?? {};
  const valid = [...new Set(keyIDs)].filter((keyId) => holds(root, keyId, metadata));
  return { valid, threshold };
}

export function isSignedBy(root: Metadata<Root>, role: Role, metadata: AnyMetadata): boolean {
  const { valid, threshold } = countSignatures(root, role, metadata);
  return valid.length >= threshold;
}

function holds(root: Metadata<Root>, keyId: string, metadata: AnyMetadata): boolean {
  try {
    root.signed.keys[keyId]?.verifySignature(metadata);
    return root.signed.keys[keyId] !== undefined;
  } catch {
    return false;
  }
}
