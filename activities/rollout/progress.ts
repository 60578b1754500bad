import type {
  FailureCause,
  Hop,
  PlannedDevice,
  RolloutPlan,
  RolloutSettings,
  WaveCounts,
} from '../../domain/rollout/types';
import type { JobCounts, ListedExecution } from './deps';
import type { JobRecord } from './job-record';

/** How we ended an execution whose time was over. */
export type Overdue = 'unreached' | 'silent';

/** All that is known of one job of a wave. */
export interface WaveJob {
  record: JobRecord;
  /** Of the last look; null before the first. */
  counts: JobCounts | null;
  /** By thing, as last listed; what ended well since is only in the counts. */
  executions: Map<string, ListedExecution>;
  /** Whether all executions are listed in the state they end in. */
  settled: boolean;
  /** By then it is listed anew, whatever its counts say: a device's time may be over. Epoch milliseconds. */
  listBy: number;
  overdue: Map<string, Overdue>;
  causes: Map<string, FailureCause>;
}

export interface WaveFacts {
  plan: Pick<RolloutPlan, 'routes' | 'settings'>;
  devices: readonly PlannedDevice[];
  /** Left out for another runbook, by its owner. */
  skipped: ReadonlyMap<string, string>;
  /** By batch. */
  jobs: readonly WaveJob[];
  /** By target: devices that have confirmed it by their own report. */
  confirmed: ReadonlyMap<string, ReadonlySet<string>>;
  /** Devices of the last hop that the index counts beside them. */
  confirmedMore: number;
}

export interface Standing {
  device: PlannedDevice;
  at: Exclude<keyof WaveCounts, 'size'>;
  /** The hop and attempt that it is at, or is to be asked for next. */
  hop: number;
  attempt: number;
  /** Null where it was never asked. */
  job: WaveJob | null;
}

export interface Progress {
  standings: Standing[];
  counts: WaveCounts;
}

/** Where every device of a wave stands. Pure: whoever comes after a killed worker works out the same. */
export function progressOf(facts: WaveFacts): Progress {
  const asked = new Map<string, WaveJob[]>();
  for (const job of facts.jobs)
    for (const thing of job.record.things) asked.set(thing, [...(asked.get(thing) ?? []), job]);
  const standings = facts.devices.map((device) =>
    standingOf(facts, device, asked.get(device.thing) ?? []),
  );
  return { standings, counts: countsOf(facts, standings) };
}

export function hopOf(plan: Pick<RolloutPlan, 'routes'>, device: PlannedDevice, hop: number): Hop {
  const found = plan.routes[device.route]?.hops[hop];
  if (found === undefined) throw new Error(`${device.thing} has no hop ${hop} in the plan`);
  return found;
}

export const isLastHop = (
  plan: Pick<RolloutPlan, 'routes'>,
  device: PlannedDevice,
  hop: number,
): boolean => hop + 1 >= (plan.routes[device.route]?.hops.length ?? 0);

function standingOf(facts: WaveFacts, device: PlannedDevice, jobs: WaveJob[]): Standing {
  const { thing } = device;
  const job = jobs.at(-1);
  if (job === undefined) {
    const at = facts.skipped.has(thing) ? 'skipped' : 'waiting';
    return { device, at, hop: 0, attempt: 0, job: null };
  }
  const { hop, attempt } = job.record;
  const stays = (at: Standing['at']): Standing => ({ device, at, hop, attempt, job });
  const overdue = job.overdue.get(thing);
  if (overdue !== undefined) return stays(overdue);
  const execution = job.executions.get(thing);
  switch (execution?.status) {
    case undefined:
      if (facts.skipped.has(thing)) return stays('skipped');
      // AWS made none: the thing is gone, or was when the job was made.
      return stays(job.settled ? 'unreached' : 'queued');
    case 'QUEUED':
      return stays('queued');
    case 'IN_PROGRESS':
      return stays('inProgress');
    case 'SUCCEEDED':
      if (facts.confirmed.get(job.record.target)?.has(thing) !== true) return stays('succeeded');
      if (isLastHop(facts.plan, device, hop)) return stays('confirmed');
      if (facts.skipped.has(thing)) return stays('skipped');
      return { device, at: 'waiting', hop: hop + 1, attempt: 0, job };
    case 'CANCELED':
    case 'REMOVED':
      return stays(endOfCancelled(execution, facts.plan.settings));
    default:
      if (!mayRetry(facts.plan.settings, thing, jobs)) return stays('failed');
      if (facts.skipped.has(thing)) return stays('skipped');
      return { device, at: 'waiting', hop, attempt: attempt + 1, job };
  }
}

/** Ours, where its time was over; else another runbook's, which took the device. */
function endOfCancelled(
  { status, queuedAt, startedAt, updatedAt }: ListedExecution,
  { queuedForMs, inProgressForMs }: RolloutSettings,
): 'silent' | 'unreached' | 'skipped' {
  if (status === 'REMOVED' || updatedAt === null) return 'skipped';
  if (startedAt !== null) return updatedAt - startedAt >= inProgressForMs ? 'silent' : 'skipped';
  return queuedAt !== null && updatedAt - queuedAt >= queuedForMs ? 'unreached' : 'skipped';
}

function mayRetry(settings: RolloutSettings, thing: string, jobs: WaveJob[]): boolean {
  const last = jobs.at(-1);
  const cause = last?.causes.get(thing) ?? 'health';
  const retries = {
    network: settings.retriesNetwork,
    install: settings.retriesInstall,
    health: 0,
    refused: 0,
  }[cause];
  const same = jobs.filter(
    ({ record, causes }) => record.hop === last?.record.hop && causes.get(thing) === cause,
  );
  return same.length <= retries && retries > 0;
}

/**
 * What was listed, brought up to date by the newest counts of each job: devices that began or ended well since are known
 * only by their number.
 */
function countsOf(facts: WaveFacts, standings: Standing[]): WaveCounts {
  const counts: WaveCounts = { size: standings.length, ...NONE };
  for (const { at } of standings) counts[at] += 1;
  for (const job of facts.jobs) {
    if (job.settled || job.counts === null) continue;
    const began = job.counts.inProgress - listed(job, 'IN_PROGRESS');
    const succeeded = job.counts.succeeded - listed(job, 'SUCCEEDED');
    counts.inProgress += began;
    counts.succeeded += succeeded;
    counts.queued -= began + succeeded;
  }
  const more = Math.max(0, Math.min(facts.confirmedMore, counts.succeeded));
  counts.confirmed += more;
  counts.succeeded -= more;
  return inBounds(counts);
}

export const listed = ({ executions }: WaveJob, status: string): number => {
  let found = 0;
  for (const execution of executions.values()) if (execution.status === status) found += 1;
  return found;
};

/** Counts of one job are not of one moment with its list: no number is below zero, and the sum stays. */
function inBounds(counts: WaveCounts): WaveCounts {
  const open = ['queued', 'inProgress', 'succeeded'] as const;
  for (const name of open) {
    for (const other of open) {
      if (counts[name] >= 0 || counts[other] <= 0) continue;
      const moved = Math.min(-counts[name], counts[other]);
      counts[name] += moved;
      counts[other] -= moved;
    }
  }
  return counts;
}

const NONE = {
  waiting: 0,
  queued: 0,
  inProgress: 0,
  succeeded: 0,
  confirmed: 0,
  failed: 0,
  silent: 0,
  unreached: 0,
  skipped: 0,
};

/** Devices between dispatch and confirmed health. */
export const inFlightOf = ({ queued, inProgress, succeeded }: WaveCounts): number =>
  queued + inProgress + succeeded;
