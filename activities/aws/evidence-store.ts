import { createHash } from 'node:crypto';
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { chainHead } from '../../domain/evidence/entry.schema';
import {
  TooLargeError,
  type ChainHeads,
  type Digest,
  type EvidenceIntake,
  type EvidenceStore,
} from '../evidence/deps';
import { isAwsError } from '../failure';

const MAX_HEAD_BYTES = 1_024;

interface Found {
  chunks: AsyncIterable<Uint8Array>;
  etag: string;
}

async function open(
  s3: S3Client,
  at: { Bucket: string; Key: string; IfMatch?: string },
): Promise<Found | null> {
  try {
    const { Body, ETag } = await s3.send(new GetObjectCommand(at));
    if (Body === undefined) return null;
    return { chunks: Body as unknown as AsyncIterable<Uint8Array>, etag: ETag ?? '' };
  } catch (err) {
    if (isAwsError(err, 'NoSuchKey')) return null;
    throw err;
  }
}

/** Leaving the loop closes the connection, so that nothing is read past the limit. */
async function digestOf(key: string, found: Found, maxBytes: number): Promise<Digest> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of found.chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new TooLargeError(key, maxBytes);
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function collect(key: string, found: Found, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of found.chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new TooLargeError(key, maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** False where the key is taken. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
async function onlyIf(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (err) {
    if (isAwsError(err, 'PreconditionFailed')) return false;
    // `ConditionalRequestConflict`: another write of the key is under way; the next attempt finds it.
    throw err;
  }
}

/** A legal hold keeps a version until somebody takes the hold off it, whoever deletes the object. */
const hold = (on: boolean) => (on ? { ObjectLockLegalHoldStatus: 'ON' as const } : {});

export function createEvidenceStore(s3: S3Client, Bucket: string): EvidenceStore {
  return {
    create: (Key, bytes, legalHold) =>
      onlyIf(() =>
        s3.send(
          new PutObjectCommand({
            ...{ Bucket, Key, Body: bytes, IfNoneMatch: '*', ...hold(legalHold) },
            ContentType: 'application/json',
            ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
          }),
        ),
      ),
    async read(Key, maxBytes) {
      const found = await open(s3, { Bucket, Key });
      return found === null ? null : collect(Key, found, maxBytes);
    },
    async digest(Key, maxBytes) {
      const found = await open(s3, { Bucket, Key });
      return found === null ? null : digestOf(Key, found, maxBytes);
    },
    async *list(Prefix) {
      for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix }))
        for (const { Key, Size } of page.Contents ?? [])
          if (Key !== undefined) yield { key: Key, bytes: Size ?? 0 };
    },
    open: async (Key) => (await open(s3, { Bucket, Key }))?.chunks ?? null,
  };
}

export function createEvidenceIntake(
  s3: S3Client,
  { intake, evidence, region }: { intake: string; evidence: string; region: string },
): EvidenceIntake {
  return {
    async stat(Key) {
      try {
        const head = await s3.send(new HeadObjectCommand({ Bucket: intake, Key }));
        return { bytes: head.ContentLength ?? 0, etag: head.ETag ?? '' };
      } catch (err) {
        if (isAwsError(err, 'NotFound', 'NoSuchKey')) return null;
        throw err;
      }
    },
    async digest(Key, IfMatch, maxBytes) {
      const found = await open(s3, { Bucket: intake, Key, IfMatch });
      if (found === null) throw new Error(`${Key} is gone from the intake`);
      return digestOf(Key, found, maxBytes);
    },
    async keep({ key, etag }, to, legalHold) {
      await onlyIf(() =>
        s3.send(
          new CopyObjectCommand({
            ...{ Bucket: evidence, Key: to, IfNoneMatch: '*' },
            CopySource: `${intake}/${key.split('/').map(encodeURIComponent).join('/')}`,
            CopySourceIfMatch: etag,
            ChecksumAlgorithm: 'SHA256',
          }),
        ),
      );
      // Also on a copy that an earlier attempt has made.
      if (!legalHold) return;
      const LegalHold = { Status: 'ON' as const };
      await s3.send(new PutObjectLegalHoldCommand({ Bucket: evidence, Key: to, LegalHold }));
    },
    urlOf: (key) => `https://s3.${region}.amazonaws.com/${intake}/${key}`,
  };
}

export function createChainHeads(s3: S3Client, Bucket: string): ChainHeads {
  const keyOf = (incident: string): string => `evidence-heads/${incident}/head.json`;
  return {
    async get(incident) {
      const Key = keyOf(incident);
      const found = await open(s3, { Bucket, Key });
      if (found === null) return null;
      const text = Buffer.from(await collect(Key, found, MAX_HEAD_BYTES)).toString();
      return { head: chainHead.parse(JSON.parse(text)), etag: found.etag };
    },
    put: (incident, head, etag) =>
      onlyIf(() =>
        s3.send(
          new PutObjectCommand({
            ...{ Bucket, Key: keyOf(incident), Body: JSON.stringify(head) },
            ...(etag === null ? { IfNoneMatch: '*' } : { IfMatch: etag }),
            ContentType: 'application/json',
          }),
        ),
      ),
  };
}
