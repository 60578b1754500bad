import { causeOf } from '../../domain/rollout/cause';
import { confirmedQuery } from '../../domain/rollout/queries';
import type { Hop } from '../../domain/rollout/types';
import { isTerminal } from '../aws/iot-jobs';
import type { JobCounts } from './deps';
import { isEndOfWave } from './job-record';
import { eachOf } from './pace';
import { hopOf, isLastHop, listed, type WaveJob } from './progress';
import type { Wave } from './wave';

const CALLS_AT_ONCE = 8;
/** Up to so many, devices that confirmed are named at every change of their number. */
const FEW = 300;

/** One call for each job that is under way; its executions are listed only where ends or deadlines ask for it. */
export async function lookAtJobs(wave: Wave): Promise<void> {
  const live = wave.jobs.filter(({ record, settled }) => !settled && !isEndOfWave(record));
  await eachOf(live, CALLS_AT_ONCE, (job) => lookAtJob(wave, job));
}

async function lookAtJob(wave: Wave, job: WaveJob): Promise<void> {
  await wave.paces.describeJob();
  const counts = await wave.deps.jobs.counts(job.record.jobId);
  job.counts = counts;
  if (counts.job !== null && isWorthListing(wave, job, counts)) await list(wave, job, counts);
}

const isWorthListing = (wave: Wave, job: WaveJob, counts: JobCounts): boolean =>
  isOver(job, counts) ||
  badOf(counts) !== listedBad(job) ||
  wave.deps.now() >= job.listBy ||
  (!isOfLastHop(wave, job) && counts.succeeded !== listed(job, 'SUCCEEDED'));

const isOver = ({ record }: WaveJob, counts: JobCounts): boolean =>
  counts.queued + counts.inProgress === 0 &&
  (counts.job !== 'IN_PROGRESS' || counts.succeeded + badOf(counts) >= record.things.length);

const badOf = ({ failed, rejected, timedOut, canceled, removed }: JobCounts): number =>
  failed + rejected + timedOut + canceled + removed;

function listedBad({ executions }: WaveJob): number {
  let bad = 0;
  for (const { status } of executions.values())
    if (isTerminal(status) && status !== 'SUCCEEDED') bad += 1;
  return bad;
}

async function list(wave: Wave, job: WaveJob, counts: JobCounts): Promise<void> {
  const { jobId } = job.record;
  await wave.paces.describeJob();
  for await (const page of wave.deps.jobs.executions(jobId)) {
    for (const execution of page) job.executions.set(execution.thing, execution);
    await wave.paces.describeJob();
  }
  await readCauses(wave, job);
  await endOverdue(wave, job);
  const all = [...job.executions.values()];
  const isComplete = counts.job !== 'IN_PROGRESS' || all.length >= job.record.things.length;
  job.settled = isOver(job, counts) && isComplete && all.every(({ status }) => isTerminal(status));
  job.listBy = nextDeadline(wave, job);
}

async function readCauses(wave: Wave, { record, executions, causes }: WaveJob): Promise<void> {
  const failed = [...executions.values()].filter(
    ({ thing, status }) =>
      ['FAILED', 'REJECTED', 'TIMED_OUT'].includes(status) && !causes.has(thing),
  );
  await eachOf(failed, CALLS_AT_ONCE, async ({ thing, status }) => {
    await wave.paces.describeJob();
    const details = await wave.deps.jobs.statusDetails(record.jobId, thing);
    causes.set(thing, causeOf({ status, details }));
  });
}

/** Also those of an attempt that was killed after it had written down why. */
export async function endOverdue(wave: Wave, { record, executions, overdue }: WaveJob) {
  const pending = [...overdue.keys()].filter((thing) => {
    const execution = executions.get(thing);
    return execution !== undefined && !isTerminal(execution.status);
  });
  await eachOf(pending, CALLS_AT_ONCE, (thing) =>
    wave.deps.jobs.cancelExecution(record.jobId, thing),
  );
}

function nextDeadline({ plan, deps }: Wave, { record, executions, overdue }: WaveJob): number {
  const { queuedForMs, inProgressForMs } = plan.settings;
  const now = deps.now();
  // What is queued may start right after this look.
  let next = now + Math.max(queuedForMs, inProgressForMs);
  for (const { thing, status, queuedAt, startedAt } of executions.values()) {
    if (overdue.has(thing)) next = Math.min(next, now);
    else if (status === 'QUEUED')
      next = Math.min(next, now + inProgressForMs, (queuedAt ?? record.at) + queuedForMs);
    else if (status === 'IN_PROGRESS')
      next = Math.min(next, (startedAt ?? record.at) + inProgressForMs);
  }
  if (executions.size < record.things.length) next = Math.min(next, now + inProgressForMs);
  return next;
}

const isOfLastHop = ({ plan, devices }: Wave, { record }: WaveJob): boolean => {
  const things = new Set(record.things);
  return devices.every(
    (device) => !things.has(device.thing) || isLastHop(plan, device, record.hop),
  );
};

/**
 * Which devices have confirmed, by the fleet index: one count for each target that is awaited. They are named, a page a
 * hundred, while they are few, for a hop that others follow, and where `exactly` asks for it.
 */
export async function lookAtConfirmations(wave: Wave, exactly: boolean): Promise<void> {
  let more = 0;
  for (const [target, { hop, isLast, succeeded }] of awaited(wave)) {
    const known = wave.confirmed.get(target)?.size ?? 0;
    if (succeeded <= known) continue;
    await wave.paces.searchIndex();
    const total = await wave.deps.index.count(confirmedQuery(hop));
    const named = wave.named.get(target);
    if (total === named) continue;
    if (exactly || named === undefined || !isLast || total <= FEW) await nameConfirmed(wave, hop);
    else more += Math.max(0, total - named);
  }
  wave.confirmedMore = more;
}

function awaited(wave: Wave): Map<string, { hop: Hop; isLast: boolean; succeeded: number }> {
  const targets = new Map<string, { hop: Hop; isLast: boolean; succeeded: number }>();
  const devices = new Map(wave.devices.map((device) => [device.thing, device]));
  for (const { record, counts } of wave.jobs) {
    const device = devices.get(record.things[0] ?? '');
    if (counts === null || counts.succeeded === 0 || device === undefined) continue;
    const found = targets.get(record.target);
    const isLast = isLastHop(wave.plan, device, record.hop);
    targets.set(record.target, {
      hop: hopOf(wave.plan, device, record.hop),
      isLast: isLast && (found?.isLast ?? true),
      succeeded: counts.succeeded + (found?.succeeded ?? 0),
    });
  }
  return targets;
}

async function nameConfirmed(wave: Wave, hop: Hop): Promise<void> {
  const ours = new Set(wave.devices.map(({ thing }) => thing));
  const known = wave.confirmed.get(hop.target) ?? new Set();
  let named = 0;
  for await (const page of wave.deps.index.search(confirmedQuery(hop))) {
    named += page.length;
    for (const { thing } of page) if (ours.has(thing)) known.add(thing);
    await wave.paces.searchIndex();
  }
  wave.confirmed.set(hop.target, known);
  wave.named.set(hop.target, named);
}
