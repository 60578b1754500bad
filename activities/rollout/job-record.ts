import { z } from 'zod';
import { rolloutJobId } from '../../domain/ids';
import type { RolloutPlan } from '../../domain/rollout/types';
import type { RolloutStore } from './deps';

export type RolloutKind = RolloutPlan['kind'];

/**
 * Written before its job is made, and only where nothing is: who is killed in between finds out from it which devices
 * that job was for. One without things ends its wave: nothing is asked after it.
 */
const jobRecord = z.strictObject({
  jobId: z.string(),
  kind: z.enum(['rollout', 'rollback']),
  wave: z.int().min(1),
  batch: z.int().min(1),
  /** TUF target, and which hop of the devices' routes it is, from 0. */
  target: z.string(),
  hop: z.int().min(0),
  /** From 0, for each hop. */
  attempt: z.int().min(0),
  /** Epoch milliseconds. */
  at: z.number(),
  things: z.array(z.string()),
  /** The wave group that the job is for; null where it names its things. */
  group: z.string().nullable(),
});
export type JobRecord = z.infer<typeof jobRecord>;

export const rolloutPrefix = (rolloutId: string): string => `rollouts/${rolloutId}/`;
const jobsPrefix = (rolloutId: string): string => `${rolloutPrefix(rolloutId)}jobs/`;
const jobKey = (rolloutId: string, jobId: string): string =>
  `${jobsPrefix(rolloutId)}${jobId}.json`;

export const isEndOfWave = ({ things }: JobRecord): boolean => things.length === 0;

/** False where a batch of that number is there already, whoever wrote it. */
export const createRecord = (
  store: RolloutStore,
  rolloutId: string,
  record: JobRecord,
): Promise<boolean> => store.create(jobKey(rolloutId, record.jobId), JSON.stringify(record));

/** By wave and batch; of one kind, and of one wave where it is named. */
export async function readRecords(
  store: RolloutStore,
  rolloutId: string,
  kind: RolloutKind,
  wave?: number,
): Promise<JobRecord[]> {
  const name = wave === undefined ? '' : rolloutJobId(rolloutId, kind, wave, 0).slice(0, -1);
  const keys = await store.list(`${jobsPrefix(rolloutId)}${name}`);
  const records: JobRecord[] = [];
  for (let from = 0; from < keys.length; from += READS_AT_ONCE) {
    const some = keys.slice(from, from + READS_AT_ONCE);
    const texts = await Promise.all(some.map((key) => store.get(key)));
    for (const text of texts) if (text !== null) records.push(jobRecord.parse(JSON.parse(text)));
  }
  return records
    .filter((record) => record.kind === kind)
    .sort((a, b) => a.wave - b.wave || a.batch - b.batch);
}

const READS_AT_ONCE = 16;
