import {
  DeleteObjectCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { containmentRecord } from '../../domain/quarantine/record.schema';
import type { ContainmentRecord } from '../../domain/quarantine/types';
import { isAwsError } from '../failure';

const PREFIX = 'contained/';
const key = (thing: string): string => `${PREFIX}${thing}.json`;

/** Somebody else wrote the record, or an earlier version: nobody can tell from it what to restore. */
export class UnreadableRecordError extends Error {
  override readonly name = 'UnreadableRecordError';
}

export type ContainmentRecords = ReturnType<typeof createContainmentRecords>;

/**
 * One object per contained thing: what was there before, who contained it and why. Written before the first change, so that
 * whoever finds the device contained (the reconciler, break-glass, the next run) can restore it without Temporal or the guard.
 */
export function createContainmentRecords(s3: S3Client, bucket: string) {
  return {
    /** Safe to retry: the same content under the same key. */
    async put(record: ContainmentRecord): Promise<void> {
      await s3.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key(record.snapshot.thing),
          Body: JSON.stringify(record),
          ContentType: 'application/json',
        }),
      );
    },
    async get(thing: string): Promise<ContainmentRecord | null> {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key(thing) }));
        return read(thing, (await Body?.transformToString()) ?? '');
      } catch (err) {
        if (isAwsError(err, 'NoSuchKey')) return null;
        throw err;
      }
    },
    async remove(thing: string): Promise<void> {
      await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key(thing) }));
    },
    async things(): Promise<string[]> {
      const things: string[] = [];
      const query = { Bucket: bucket, Prefix: PREFIX };
      for await (const page of paginateListObjectsV2({ client: s3 }, query))
        for (const { Key } of page.Contents ?? [])
          if (Key?.endsWith('.json') === true) things.push(Key.slice(PREFIX.length, -5));
      return things.sort();
    },
  };
}

function read(thing: string, text: string): ContainmentRecord {
  try {
    return containmentRecord.parse(JSON.parse(text));
  } catch (err) {
    throw new UnreadableRecordError(`the containment record of ${thing} can't be read`, {
      cause: err,
    });
  }
}
