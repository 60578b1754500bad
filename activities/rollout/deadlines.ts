import { endOverdue, lookAtConfirmations } from './look';
import { eachOf } from './pace';
import type { Overdue, WaveJob } from './progress';
import { writeOverdue, type Wave } from './wave';

/** A query takes 12 terms. */
const NAMES_A_QUERY = 9;

interface Late {
  job: WaveJob;
  thing: string;
  /** Null where it depends on whether it was connected since. */
  end: Overdue | null;
}

/**
 * Ends what took too long: written down first, then cancelled. A device that installed the release and does not confirm its
 * health in time is silent, too. True where there was any.
 */
export async function endLate(wave: Wave): Promise<boolean> {
  let late = lateOf(wave);
  if (late.some(({ job, thing }) => job.executions.get(thing)?.status === 'SUCCEEDED')) {
    await lookAtConfirmations(wave, true);
    late = lateOf(wave);
  }
  if (late.length === 0) return false;
  const queued = late.filter(({ end }) => end === null);
  const connected = await connectedSince(wave, queued);
  for (const { job, thing, end } of late)
    job.overdue.set(thing, end ?? (connected.has(thing) ? 'silent' : 'unreached'));
  for (const job of new Set(late.map((each) => each.job))) {
    await writeOverdue(wave, job);
    await endOverdue(wave, job);
    job.listBy = 0;
  }
  return true;
}

function lateOf(wave: Wave): Late[] {
  const { queuedForMs, inProgressForMs } = wave.plan.settings;
  const now = wave.deps.now();
  return wave.jobs.flatMap((job) => {
    const { at, target } = job.record;
    const late: Late[] = [];
    for (const execution of job.executions.values()) {
      const { thing, status, queuedAt, startedAt, updatedAt } = execution;
      if (job.overdue.has(thing)) continue;
      if (status === 'QUEUED' && now - (queuedAt ?? at) >= queuedForMs)
        late.push({ job, thing, end: null });
      if (status === 'IN_PROGRESS' && now - (startedAt ?? at) >= inProgressForMs)
        late.push({ job, thing, end: 'silent' });
      const unconfirmed = status === 'SUCCEEDED' && wave.confirmed.get(target)?.has(thing) !== true;
      if (unconfirmed && now - (updatedAt ?? startedAt ?? at) >= inProgressForMs)
        late.push({ job, thing, end: 'silent' });
    }
    return late;
  });
}

/** Of devices that did not begin: those connected now, or that have been since they were asked. */
async function connectedSince(wave: Wave, queued: Late[]): Promise<Set<string>> {
  const connected = new Set<string>();
  const askedAt = new Map(
    queued.map(({ job, thing }) => [thing, job.executions.get(thing)?.queuedAt ?? job.record.at]),
  );
  const names = [...askedAt.keys()];
  const queries = Array.from({ length: Math.ceil(names.length / NAMES_A_QUERY) }, (_, n) => {
    const some = names.slice(n * NAMES_A_QUERY, (n + 1) * NAMES_A_QUERY);
    return `thingName:(${some.map((name) => `"${name}"`).join(' OR ')})`;
  });
  await eachOf(queries, 4, async (query) => {
    await wave.paces.searchIndex();
    for await (const page of wave.deps.index.search(query))
      for (const { thing, connected: is, connectivityAt } of page)
        if (is || (connectivityAt ?? 0) > (askedAt.get(thing) ?? Infinity)) connected.add(thing);
  });
  return connected;
}
