import {
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isAwsError } from '../failure';
import type { RolloutStore } from '../rollout/deps';

const PREFIX = 'rollouts/';

/** Nothing but a rollout's own objects can be read or written through this. */
export class RolloutKeyError extends Error {
  override readonly name = 'RolloutKeyError';
}

/**
 * Plans, job records and results. `create` is what makes a plan frozen and a job known before it exists: S3 writes it only
 * where nothing is. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export function createRolloutStore(s3: S3Client, bucket: string): RolloutStore {
  const at = (key: string): { Bucket: string; Key: string } => {
    if (!key.startsWith(PREFIX)) throw new RolloutKeyError(`${key} is not below ${PREFIX}`);
    return { Bucket: bucket, Key: key };
  };
  const put = (key: string, text: string, condition: { IfNoneMatch?: '*' }) =>
    s3.send(
      new PutObjectCommand({
        ...at(key),
        Body: Buffer.from(text),
        ContentType: 'application/json',
        ...condition,
      }),
    );
  return {
    /** False also for an earlier attempt of ours whose answer was lost: the caller reads what is there. */
    async create(key, text) {
      try {
        await put(key, text, { IfNoneMatch: '*' });
        return true;
      } catch (err) {
        if (isAwsError(err, 'PreconditionFailed')) return false;
        // `ConditionalRequestConflict`: another write of the key is under way; the next attempt finds it.
        throw err;
      }
    },
    async put(key, text) {
      await put(key, text, {});
    },
    async get(key) {
      try {
        const { Body } = await s3.send(new GetObjectCommand(at(key)));
        return (await Body?.transformToString()) ?? '';
      } catch (err) {
        if (isAwsError(err, 'NoSuchKey')) return null;
        throw err;
      }
    },
    async list(prefix) {
      const { Bucket, Key: Prefix } = at(prefix);
      const keys: string[] = [];
      for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix }))
        keys.push(...(page.Contents ?? []).flatMap(({ Key }) => Key ?? []));
      return keys.sort();
    },
  };
}
