import type { PlannedDevice, RolloutPlan } from '../../domain/rollout/types';
import type { RolloutDeps } from './deps';
import { readRecords, rolloutPrefix, type JobRecord } from './job-record';
import { readDevices, readJson, readPlan, waveOf } from './objects';
import { createPaces, type Paces, type Sleep } from './pace';
import type { Overdue, WaveFacts, WaveJob } from './progress';
import type { WaveAt } from './types';

/** One wave as it is worked on by one attempt of an activity; all of it can be read again. */
export interface Wave extends WaveFacts {
  deps: RolloutDeps;
  at: WaveAt;
  plan: RolloutPlan;
  devices: PlannedDevice[];
  skipped: Map<string, string>;
  jobs: WaveJob[];
  confirmed: Map<string, Set<string>>;
  /** By target: how many the index named when it was last asked for all of them. */
  named: Map<string, number>;
  paces: Paces;
  sleep: Sleep;
}

export async function readWave(deps: RolloutDeps, at: WaveAt, sleep: Sleep): Promise<Wave> {
  const { store } = deps;
  const plan = await readPlan(store, at.ref);
  const [devices, skipped, records, paces] = await Promise.all([
    readDevices(store, waveOf(plan, at.wave)),
    readSkipped(deps, at),
    readRecords(store, at.ref.rolloutId, at.kind, at.wave),
    createPaces(deps, sleep),
  ]);
  const wave: Wave = {
    deps,
    at,
    plan,
    devices,
    skipped,
    jobs: [],
    confirmed: new Map(),
    confirmedMore: 0,
    named: new Map(),
    paces,
    sleep,
  };
  await readNewJobs(wave, records);
  return wave;
}

/** Those that another attempt may have written meanwhile included. */
export async function readNewJobs(wave: Wave, records?: JobRecord[]): Promise<void> {
  const { deps, at, jobs } = wave;
  const { rolloutId } = at.ref;
  const found = records ?? (await readRecords(deps.store, rolloutId, at.kind, at.wave));
  const known = new Set(jobs.map(({ record }) => record.jobId));
  const overdueKeys = new Set(await deps.store.list(`${rolloutPrefix(rolloutId)}overdue/`));
  for (const record of found) {
    if (known.has(record.jobId)) continue;
    const key = overdueKey(rolloutId, record.jobId);
    const overdue = overdueKeys.has(key)
      ? await readJson<Record<string, Overdue>>(deps.store, key, {})
      : {};
    jobs.push(openJob(wave, record, overdue));
  }
}

export const openJob = (
  { plan }: Pick<Wave, 'plan'>,
  record: JobRecord,
  overdue: Record<string, Overdue> = {},
): WaveJob => ({
  record,
  counts: null,
  executions: new Map(),
  settled: false,
  listBy: record.at + Math.min(plan.settings.queuedForMs, plan.settings.inProgressForMs),
  overdue: new Map(Object.entries(overdue)),
  causes: new Map(),
});

const overdueKey = (rolloutId: string, jobId: string): string =>
  `${rolloutPrefix(rolloutId)}overdue/${jobId}.json`;

/** Before the executions are ended, so that whoever lists them as cancelled knows why. */
export const writeOverdue = ({ deps, at }: Wave, { record, overdue }: WaveJob): Promise<void> =>
  deps.store.put(
    overdueKey(at.ref.rolloutId, record.jobId),
    JSON.stringify(Object.fromEntries(overdue)),
  );

const skippedKey = ({ ref, kind, wave }: WaveAt): string =>
  `${rolloutPrefix(ref.rolloutId)}skipped/${kind === 'rollback' ? 'r' : ''}${wave}.json`;

export async function readSkipped(
  { store }: Pick<RolloutDeps, 'store'>,
  at: WaveAt,
): Promise<Map<string, string>> {
  return new Map(Object.entries(await readJson<Record<string, string>>(store, skippedKey(at), {})));
}

/** Once left out, a device stays so for this rollout. */
export async function writeSkipped(
  { store }: Pick<RolloutDeps, 'store'>,
  at: WaveAt,
  skipped: ReadonlyMap<string, string>,
): Promise<void> {
  await store.put(skippedKey(at), JSON.stringify(Object.fromEntries(skipped)));
}
