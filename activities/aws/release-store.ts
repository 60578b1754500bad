import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { isAwsError } from '../failure';
import { ReleaseError } from '../release/errors';
import { digestOf, digestOfBytes, MAX_METADATA_BYTES, type Content } from '../release/folder';
import type { ReleaseStore } from '../release/store';

export interface S3Place {
  bucket: string;
  /** Without a slash at the ends; may be empty. */
  prefix: string;
  region: string;
  /** Another endpoint than AWS's own, as the local stack has. */
  endpoint?: string;
}

/** An artifact of gigabytes is one request. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 3_600_000 };

/**
 * Writes are conditional, so that no publisher overwrites what another wrote; S3 checks each upload against its
 * SHA-256. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export function s3Store({ bucket, prefix, region, endpoint }: S3Place): ReleaseStore {
  const s3 = new S3Client({
    region,
    requestHandler: TIMEOUTS,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
  });
  const place = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
  const at = (name: string) => ({
    Bucket: bucket,
    Key: prefix === '' ? name : `${prefix}/${name}`,
  });
  const get = async (name: string): Promise<{ body: Readable; etag: string } | null> => {
    try {
      const { Body, ETag } = await s3.send(new GetObjectCommand(at(name)));
      return Body instanceof Readable ? { body: Body, etag: ETag ?? '' } : null;
    } catch (err) {
      if (isAwsError(err, 'NoSuchKey')) return null;
      throw err;
    }
  };
  const read = async (name: string): Promise<{ bytes: Buffer; etag: string } | null> => {
    const found = await get(name);
    if (found === null) return null;
    return { bytes: await collect(found.body, `${place}/${name}`), etag: found.etag };
  };
  const put = async (name: string, content: Content, on: Condition): Promise<boolean> => {
    try {
      await s3.send(new PutObjectCommand({ ...at(name), ...bodyOf(content), ...on }));
      return true;
    } catch (err) {
      // 409: another conditional write to the name was under way.
      if (isAwsError(err, 'PreconditionFailed', 'ConditionalRequestConflict')) return false;
      throw err;
    }
  };
  return {
    place,
    read: async (name) => (await read(name))?.bytes ?? null,
    open: async (name) => (await get(name))?.body ?? null,
    async digest(name) {
      const known = await recorded(s3, at(name));
      if (known !== undefined) return known;
      const found = await get(name);
      return found === null ? null : digestOf(found.body as AsyncIterable<Buffer>);
    },
    create: (name, content) => put(name, content, { IfNoneMatch: '*' }),
    async replace(name, bytes, before) {
      const now = await read(name);
      const same = now === null ? before === null : before !== null && now.bytes.equals(before);
      const on: Condition = now === null ? { IfNoneMatch: '*' } : { IfMatch: now.etag };
      if (same && (await put(name, bytes, on))) return;
      throw new ReleaseError(`${place}: somebody else published meanwhile; publish again`);
    },
  };
}

type Condition = Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'>;

function bodyOf(content: Content): Partial<PutObjectCommandInput> {
  const { length, sha256 } = Buffer.isBuffer(content) ? digestOfBytes(content) : content;
  return {
    Body: Buffer.isBuffer(content) ? content : createReadStream(content.file),
    ContentLength: length,
    ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
    ContentType: Buffer.isBuffer(content) ? 'application/json' : 'application/octet-stream',
    // A CDN that keeps an old timestamp would hold a release back.
    CacheControl: Buffer.isBuffer(content) ? 'no-cache' : 'public, max-age=31536000, immutable',
  };
}

/** S3's own record of a whole object's SHA-256; null where there is no object, undefined where there is no record. */
async function recorded(s3: S3Client, object: { Bucket: string; Key: string }) {
  try {
    const head = await s3.send(new HeadObjectCommand({ ...object, ChecksumMode: 'ENABLED' }));
    const { ChecksumSHA256, ContentLength } = head;
    if (ContentLength === undefined || ChecksumSHA256 === undefined) return undefined;
    const digest = Buffer.from(ChecksumSHA256, 'base64');
    // A multipart upload has a checksum of checksums, `…-3`.
    if (ChecksumSHA256.includes('-') || digest.length !== 32) return undefined;
    return { length: ContentLength, sha256: digest.toString('hex') };
  } catch (err) {
    if (isAwsError(err, 'NotFound')) return null;
    throw err;
  }
}

async function collect(body: Readable, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_METADATA_BYTES) throw new ReleaseError(`${name} is larger than any metadata`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
