import { rolloutJobId } from '../../domain/ids';
import type { RolloutPlan, RolloutRef } from '../../domain/rollout/types';
import { isTerminal } from '../aws/iot-jobs';
import type { RolloutDeps } from './deps';
import { installDocument } from './dispatch';
import { createRecord, isEndOfWave, readRecords, type JobRecord } from './job-record';
import { readPlan } from './objects';
import { createPaces, eachOf, type Paces, type Sleep } from './pace';
import type { CancelledJobs } from './types';

const CALLS_AT_ONCE = 8;
const FIRST_LOOK_MS = 100;
const MOST_LOOK_MS = 5_000;
/** AWS cancels executions after it has answered, so that one look that finds none proves nothing. */
const LOOKS = 2;

interface Stopping {
  deps: RolloutDeps;
  plan: RolloutPlan;
  paces: Paces;
  why: string;
}

/**
 * Safe to repeat: it ends when every execution of every job reads terminal. Also what was under way when it began can't come
 * to life later: each wave gets a last record, after which no attempt writes another, and a record that has no job yet gets
 * one for an empty group, so that its id is taken.
 */
export async function cancelJobs(
  deps: RolloutDeps,
  { ref, why }: { ref: RolloutRef; why: string },
  sleep: Sleep,
): Promise<CancelledJobs> {
  const plan = await readPlan(deps.store, ref);
  const stopping: Stopping = { deps, plan, paces: await createPaces(deps, sleep), why };
  await endWaves(stopping);
  const { rolloutId } = ref;
  const records = (await readRecords(deps.store, rolloutId, plan.kind)).filter(
    (record) => !isEndOfWave(record),
  );
  let pending = records;
  for (let wait = FIRST_LOOK_MS, quiet = 0; ; wait = Math.min(wait * 1.5, MOST_LOOK_MS)) {
    pending = await cancelPending(stopping, quiet === 0 ? pending : records);
    quiet = pending.length === 0 ? quiet + 1 : 0;
    if (quiet >= LOOKS || records.length === 0) break;
    await sleep(wait);
  }
  return { acknowledgedAt: new Date(deps.now()).toISOString(), jobs: records.length };
}

/** The number after the last one, whoever takes it first: an attempt that is not yet dead finds it taken. */
async function endWaves({ deps, plan }: Stopping): Promise<void> {
  const { rolloutId, kind } = plan;
  for (const { number: wave } of plan.waves) {
    for (;;) {
      const records = await readRecords(deps.store, rolloutId, kind, wave);
      if (records.some(isEndOfWave)) break;
      const batch = (records.at(-1)?.batch ?? 0) + 1;
      const end: JobRecord = {
        ...{ jobId: rolloutJobId(rolloutId, kind, wave, batch), kind, wave, batch },
        ...{ target: plan.release.target, hop: 0, attempt: 0, at: deps.now() },
        ...{ things: [], group: null },
      };
      if (await createRecord(deps.store, rolloutId, end)) break;
    }
  }
}

/** Returns the jobs that still have an execution under way. */
async function cancelPending(stopping: Stopping, records: JobRecord[]): Promise<JobRecord[]> {
  const pending = new Set<JobRecord>();
  await eachOf(records, CALLS_AT_ONCE, async (record) => {
    if (await isPending(stopping, record)) pending.add(record);
  });
  return records.filter((record) => pending.has(record));
}

async function isPending(stopping: Stopping, record: JobRecord): Promise<boolean> {
  const { deps, paces, why } = stopping;
  const { jobId } = record;
  await paces.describeJob();
  const counts = await deps.jobs.counts(jobId);
  if (counts.job === null) {
    await takeId(stopping, record);
    return true;
  }
  const open = counts.queued + counts.inProgress;
  if (counts.job === 'COMPLETED' && open === 0) return false;
  if (counts.job === 'IN_PROGRESS') {
    await deps.jobs.cancel(jobId, why);
    return true;
  }
  // Cancelled by now; its counts may lag, the list of executions is what devices go by.
  let found = open > 0;
  await paces.describeJob();
  for await (const page of deps.jobs.executions(jobId)) {
    if (page.some(({ status }) => !isTerminal(status))) found = true;
    await paces.describeJob();
  }
  return found;
}

/** A CreateJob of that id that is still under way then finds it there, with an equal document, and asks nobody. */
async function takeId({ deps, plan, paces }: Stopping, { jobId, target }: JobRecord) {
  const nobody = await deps.groups.create(emptyGroup(plan.rolloutId));
  await paces.createJob();
  const document = installDocument(plan.workflowId, target);
  await deps.jobs.create({ jobId, targets: [nobody], document });
}

export const emptyGroup = (rolloutId: string): string => `ota-${rolloutId}-none`;
