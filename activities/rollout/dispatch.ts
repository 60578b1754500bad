import { ApplicationFailure } from '@temporalio/activity';
import { rolloutJobId } from '../../domain/ids';
import { policyArn } from '../../domain/policy/documents';
import { GUARD_FAILURES } from '../guard/failures';
import { createRecord, isEndOfWave, type JobRecord } from './job-record';
import { keepLeased } from './lease';
import { eachOf } from './pace';
import { hopOf, inFlightOf, type Progress, type Standing } from './progress';
import { openJob, readNewJobs, type Wave } from './wave';
import { openingsOf } from './window';

/** https://docs.aws.amazon.com/iot/latest/apireference/API_CreateJob.html : targets of one job. */
const MOST_TARGETS = 100;
const CALLS_AT_ONCE = 8;

export type Dispatched =
  | { end: 'asked' }
  /** Nobody is to be asked, or there is no free slot. */
  | { end: 'none' }
  | { end: 'window'; opensAt: number }
  /** The kill switch, in its words. */
  | { end: 'guard'; why: string };

/**
 * Asks the next devices, as far as slots are free: who goes on or is tried again before who is new. Safe to repeat at any
 * point: the record names the devices before their job is made, and a device that a record names is asked by no other.
 */
export async function dispatch(wave: Wave, { standings, counts }: Progress): Promise<Dispatched> {
  const { inFlight } = wave.plan.settings;
  const waiting = standings.filter(({ at }) => at === 'waiting');
  const free = Math.min(inFlight - inFlightOf(counts), waiting.length);
  // Slots that fall free one by one are filled by the quarter, or a wave would have as many jobs as devices.
  const enough = Math.min(waiting.length, Math.ceil(inFlight / 4));
  if (free <= 0 || free < enough) return { end: 'none' };
  const now = wave.deps.now();
  const opensAt = openingsOf(wave.plan.settings, now);
  const open = waiting.filter(({ device }) => opensAt(device) <= now);
  if (open.length === 0) {
    const soonest = waiting.reduce((min, { device }) => Math.min(min, opensAt(device)), Infinity);
    return { end: 'window', opensAt: soonest };
  }
  try {
    return (await ask(wave, nextBatch(wave, open, free))) ? { end: 'asked' } : { end: 'none' };
  } catch (err) {
    if (err instanceof ApplicationFailure && err.type === GUARD_FAILURES.stopped)
      return { end: 'guard', why: err.message };
    throw err;
  }
}

/** Devices that are to be asked the same, at the same hop and try. */
function nextBatch(wave: Wave, open: Standing[], free: number): Standing[] {
  const sorted = [...open].sort((a, b) => rank(a) - rank(b));
  const key = ({ device, hop, attempt }: Standing) =>
    JSON.stringify([hopOf(wave.plan, device, hop).target, hop, attempt]);
  const first = sorted[0];
  if (first === undefined) return [];
  return sorted.filter((each) => key(each) === key(first)).slice(0, free);
}

const rank = ({ hop, attempt }: Standing): number => (hop > 0 || attempt > 0 ? 0 : 1);

async function ask(wave: Wave, batch: Standing[]): Promise<boolean> {
  const first = batch[0];
  if (first === undefined) return false;
  const things = await keepLeased(
    wave,
    batch.map(({ device }) => device.thing),
  );
  if (things.length === 0) return true;
  const { ref, kind, wave: number } = wave.at;
  const last = wave.jobs.at(-1)?.record.batch ?? 0;
  const jobId = rolloutJobId(ref.rolloutId, kind, number, last + 1);
  const record: JobRecord = {
    jobId,
    kind,
    wave: number,
    batch: last + 1,
    target: hopOf(wave.plan, first.device, first.hop).target,
    hop: first.hop,
    attempt: first.attempt,
    at: wave.deps.now(),
    things,
    group: things.length > MOST_TARGETS ? jobId : null,
  };
  if (!(await createRecord(wave.deps.store, ref.rolloutId, record))) {
    // Of an attempt that was killed, or is not yet dead: its devices count as asked.
    await readNewJobs(wave);
    refuseEnded(wave);
    return true;
  }
  wave.jobs.push(openJob(wave, record));
  await makeJob(wave, record, things);
  return true;
}

/** Makes the job of a record that has none: an attempt was killed between the two. */
export async function makeMissingJobs(wave: Wave): Promise<void> {
  for (const { record, counts } of wave.jobs) {
    if (counts === null || counts.job !== null) continue;
    const things = await keepLeased(wave, record.things);
    if (things.length > 0) await makeJob(wave, record, things);
  }
}

async function makeJob(wave: Wave, record: JobRecord, things: string[]): Promise<void> {
  const { deps, paces, plan } = wave;
  const targets = record.group === null ? arns(wave, things) : [await group(wave, record, things)];
  await paces.createJob();
  await deps.jobs.create({
    jobId: record.jobId,
    targets,
    document: installDocument(plan.workflowId, record.target),
  });
}

export const installDocument = (requestedBy: string, target: string): object => ({
  version: 1,
  operation: 'install',
  requestedBy,
  target,
});

const arns = ({ deps }: Wave, things: string[]): string[] =>
  things.map((thing) => policyArn(deps.place, `thing/${thing}`));

async function group({ deps, paces }: Wave, { jobId }: JobRecord, things: string[]) {
  const arn = await deps.groups.create(jobId);
  await eachOf(things, CALLS_AT_ONCE, async (thing) => {
    await paces.addToGroup();
    await deps.groups.add(thing, jobId);
  });
  return arn;
}

/** Whoever was thought dead must not go on after the rollout was stopped. */
export function refuseEnded({ jobs, at }: Wave): void {
  if (!jobs.some(({ record }) => isEndOfWave(record))) return;
  throw ApplicationFailure.nonRetryable(
    `wave ${at.wave} was ended: nothing more is asked of its devices`,
    'WaveEnded',
  );
}
