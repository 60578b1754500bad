import { paginateListJobExecutionsForJob } from '@aws-sdk/client-iot';
import { z } from 'zod';
import type { AwsClients } from '../../../activities/aws/clients';
import { createGuardTable } from '../../../activities/aws/guard-table';
import { createRolloutStore } from '../../../activities/aws/rollout-store';
import { createGuard } from '../../../activities/guard/guard';
import { NAMES, recordsBucket } from '../../../domain/names';
import type { DeviceResult, StagedOtaResult } from '../../../domain/rollout/types';
import { unsettledJobs } from '../device-state';
import { startedOf, type Evidence, type JobSeen } from './judge';
import { OLD, type OtaChaosStage } from './stage';

export interface Ended {
  good: boolean;
  version: string;
  /** Epoch milliseconds. */
  since: number;
  rolloutId: string | null;
  result: StagedOtaResult | null;
}

export async function gather(stage: OtaChaosStage, ended: Ended): Promise<Evidence> {
  const { aws, fleet } = stage;
  const { good, version, since, result } = ended;
  const pending: string[] = [];
  const slots: Record<string, string> = {};
  for (const device of fleet.devices) {
    const { thing } = device;
    slots[thing] = device.installed().version ?? OLD;
    pending.push(...(await unsettledJobs(aws, thing)).map((jobId) => `${thing} ${jobId}`));
  }
  return {
    ...{ good, version, slots, pending, result },
    list: result?.list == null ? [] : await readList(stage, result.list.key),
    started: startedOf(fleet.switches(), version, since),
    jobs: ended.rolloutId === null ? [] : await readJobs(stage, ended.rolloutId),
    leases: await workLeases(aws),
  };
}

const storeOf = ({ aws, accountId }: OtaChaosStage) =>
  createRolloutStore(aws.s3, recordsBucket(accountId));

async function readList(stage: OtaChaosStage, key: string): Promise<DeviceResult[]> {
  const store = storeOf(stage);
  const read = async <T>(at: string): Promise<T> => JSON.parse((await store.get(at)) ?? '') as T;
  const { chunks } = await read<{ chunks: { key: string }[] }>(key);
  return (await Promise.all(chunks.map((chunk) => read<DeviceResult[]>(chunk.key)))).flat();
}

const record = z.object({
  jobId: z.string(),
  kind: z.string(),
  target: z.string(),
  hop: z.int(),
  attempt: z.int(),
  things: z.array(z.string()),
});

async function readJobs(stage: OtaChaosStage, rolloutId: string): Promise<JobSeen[]> {
  const store = storeOf(stage);
  const jobs: JobSeen[] = [];
  for (const key of await store.list(`rollouts/${rolloutId}/jobs/`)) {
    const job = record.parse(JSON.parse((await store.get(key)) ?? ''));
    // One without devices only marks the end of its wave.
    if (job.things.length > 0)
      jobs.push({ ...job, succeeded: await succeededIn(stage.aws, job.jobId) });
  }
  return jobs;
}

async function succeededIn({ iot }: AwsClients, jobId: string): Promise<string[]> {
  const things: string[] = [];
  const ask = { jobId, status: 'SUCCEEDED' } as const;
  for await (const page of paginateListJobExecutionsForJob({ client: iot }, ask))
    for (const { thingArn = '' } of page.executionSummaries ?? [])
      things.push(thingArn.slice(thingArn.indexOf('/') + 1));
  return things;
}

async function workLeases({ dynamo }: AwsClients): Promise<string[]> {
  const guard = createGuard({
    table: createGuardTable(dynamo, NAMES.guardTable),
    approverKeys: () => Promise.resolve([]),
    now: () => Date.now(),
  });
  return (await guard.status()).work.map(({ owner }) => owner);
}
