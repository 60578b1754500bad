import type { Measurement, WaveCounts } from '../../domain/rollout/types';
import { createAlarmScope } from './alarm-scope';
import { endLate } from './deadlines';
import { writeEnd } from './end-of-wave';
import type { RolloutDeps } from './deps';
import { dispatch, makeMissingJobs, refuseEnded, type Dispatched } from './dispatch';
import { openGate, type Gate, type Verdict } from './gate-state';
import { extendLease } from './lease';
import { lookAtConfirmations, lookAtJobs } from './look';
import { measure } from './measure';
import type { Sleep } from './pace';
import { inFlightOf, progressOf, type Progress } from './progress';
import type { CarryInput, CarryEnd, WaveReport } from './types';
import { readWave, type Wave } from './wave';

const FIRST_LOOK_MS = 100;
/** Between two reports of nothing but progress, at first. */
const FIRST_REPORT_MS = 10_000;
const MOST_REPORT_MS = 900_000;

interface Carried {
  wave: Wave;
  input: CarryInput;
  gate: Gate;
  openedAt: number;
  /** The last full measurement, at most `measureEvery` old. */
  measured: { at: number; measurement: Measurement } | null;
  read: (counts: WaveCounts, complete: boolean) => Promise<Measurement>;
  /** Of the ends that were last judged. */
  judged: string;
}

/** Dispatches, watches and judges until there is something to tell. Any attempt goes on where another was killed. */
export async function carryWave(
  deps: RolloutDeps,
  input: CarryInput,
  sleep: Sleep,
): Promise<WaveReport> {
  const carried = await open(deps, input, sleep);
  const { wave } = carried;
  const until = deps.now() + reportAfter(input.calls);
  let verdict: Verdict | null = null;
  for (let wait = FIRST_LOOK_MS; ;) {
    const progress = await look(wave);
    verdict = (await ask(carried, progress)) ?? verdict;
    const end = endOf(input, verdict);
    if (end === 'complete')
      await writeEnd(deps, input, { counts: progress.counts, overridden: input.overridden });
    if (end !== null) return report(end, progress, verdict, null);
    const may = !input.paused && (verdict === null || verdict.dispatch);
    const dispatched: Dispatched = may ? await dispatch(wave, progress) : { end: 'none' };
    if (dispatched.end === 'asked') {
      wait = FIRST_LOOK_MS;
      continue;
    }
    if (deps.now() >= until) return report('progress', progress, verdict, dispatched);
    await sleep(Math.max(1, Math.min(wait, until - deps.now())));
    wait = Math.min(wait * 1.5, Math.max(FIRST_LOOK_MS, wave.plan.settings.lookEveryMs));
  }
}

async function open(deps: RolloutDeps, input: CarryInput, sleep: Sleep): Promise<Carried> {
  const wave = await readWave(deps, input, sleep);
  refuseEnded(wave);
  const scope = createAlarmScope(deps.store, wave.plan);
  return {
    wave,
    input,
    gate: await openGate(deps, wave.plan, input),
    openedAt: deps.now(),
    measured: null,
    read: (counts, complete) => measure(deps, wave.plan, input.wave, counts, complete, scope),
    judged: '',
  };
}

const reportAfter = (calls: number): number =>
  Math.min(FIRST_REPORT_MS * 2 ** Math.min(calls, 20), MOST_REPORT_MS);

/** Jobs, confirmations, deadlines; a wave that seems complete is looked at device by device. */
async function look(wave: Wave): Promise<Progress> {
  await lookAtJobs(wave);
  await makeMissingJobs(wave);
  await lookAtConfirmations(wave, false);
  if (await endLate(wave)) await lookAtJobs(wave);
  const progress = progressOf(wave);
  if (!isComplete(progress.counts) || wave.confirmedMore === 0) return progress;
  await lookAtConfirmations(wave, true);
  return progressOf(wave);
}

const isComplete = (counts: WaveCounts): boolean => counts.waiting + inFlightOf(counts) === 0;

/** At each measurement, and whenever devices came to an end; null where there is nothing new. */
async function ask(carried: Carried, { counts }: Progress): Promise<Verdict | null> {
  const { wave, input, gate, measured } = carried;
  const complete = isComplete(counts) && wave.jobs.every(({ settled }) => settled);
  const ends = JSON.stringify([complete, endsOf(counts)]);
  const now = wave.deps.now();
  const { measureEveryMs } = wave.plan.settings;
  const isDue = measured === null || now - measured.at >= measureEveryMs;
  // There is nothing to judge before the first device is asked; but who waits for a window is looked after.
  const isNew = wave.jobs.length === 0 && !complete && now - carried.openedAt < measureEveryMs;
  if (isNew || (!isDue && ends === carried.judged)) return null;
  carried.judged = ends;
  if (!isDue && !complete) {
    const { measurement } = measured;
    return gate.judge({ ...measurement, at: iso(now), counts, complete }, input.overridden);
  }
  const measurement = await carried.read(counts, complete);
  carried.measured = { at: now, measurement };
  await extendLease(wave);
  const verdict = await gate.judge(measurement, input.overridden);
  if (verdict.isPassing) carried.measured = null;
  return verdict;
}

const endsOf = ({ confirmed, failed, silent, unreached, skipped }: WaveCounts): number[] => [
  confirmed,
  failed,
  silent,
  unreached,
  skipped,
];

function endOf({ holding }: CarryInput, verdict: Verdict | null): CarryEnd | null {
  if (verdict === null) return null;
  if (verdict.decision === 'abort') return 'abort';
  if (verdict.decision === 'advance') return 'complete';
  if (!verdict.dispatch) return holding || verdict.isPassing ? null : 'hold';
  return holding ? 'dispatching' : null;
}

function report(
  end: CarryEnd,
  { counts }: Progress,
  verdict: Verdict | null,
  dispatched: Dispatched | null,
): WaveReport {
  const reasons = verdict === null || verdict.dispatch ? [] : verdict.reasons;
  const { text, at } = nextOf(end, counts, reasons, dispatched);
  return {
    end,
    counts,
    reasons,
    next: text,
    nextAt: at === null ? null : iso(at),
    crossedAt: verdict?.crossedAt ?? null,
  };
}

function nextOf(
  end: CarryEnd,
  counts: WaveCounts,
  reasons: WaveReport['reasons'],
  dispatched: Dispatched | null,
): { text: string; at: number | null } {
  if (end === 'complete') return { text: 'the soak', at: null };
  if (end === 'abort') return { text: 'the rollout is stopped', at: null };
  if (reasons.length > 0) return { text: 'the gate holds', at: null };
  if (dispatched?.end === 'guard') return { text: dispatched.why, at: null };
  if (dispatched?.end === 'window')
    return { text: `${counts.waiting} devices wait for their window`, at: dispatched.opensAt };
  const text = `${inFlightOf(counts)} devices in flight, ${counts.waiting} wait to be asked`;
  return { text, at: null };
}

const iso = (ms: number): string => new Date(ms).toISOString();
