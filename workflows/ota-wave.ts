import { CancellationScope, condition, setHandler, sleep } from '@temporalio/workflow';
import type {
  CarryInput,
  SoakInput,
  SoakReport,
  WaveAt,
  WaveReport,
} from '../activities/rollout/types';
import {
  openWaveState,
  show,
  steer,
  steerWave,
  type OtaWaveInput,
  type WaveOutcome,
  type WaveState,
} from './ota-wave-state';
import { rolloutSteps, type RolloutSteps } from './staged-ota-steps';
import { isoTime } from './time';

interface Wave {
  state: WaveState;
  steps: RolloutSteps;
  at: WaveAt;
}

/**
 * One wave: leases its devices, carries it until the gate lets it pass, and watches it for the soak. It ends without a further
 * act where the gate aborts or the rollout stops it; what follows is the rollout's.
 */
export async function otaWave(input: OtaWaveInput): Promise<WaveOutcome> {
  const state = openWaveState(input);
  setHandler(steerWave, (what) => steer(state, what));
  const { ref, kind, wave } = input;
  const run: Wave = { state, steps: rolloutSteps(input), at: { ref, kind, wave } };
  const carried = await carry(run);
  if (carried.end !== 'passed' || input.soakMs === 0) return carried;
  // What was waved through was a hold of the gate, not the soak.
  state.advanced = false;
  const soaked = await soak(run);
  if (state.paused && soaked.end === 'passed') await show(state, { state: 'paused' }, RESUME);
  await condition(() => !state.paused || state.stopped || soaked.end !== 'passed');
  if (soaked.end !== 'passed') return soaked;
  return state.stopped ? outcome(state, 'stopped') : soaked;
}

async function carry(wave: Wave): Promise<WaveOutcome> {
  const { state, steps, at } = wave;
  const { fence, skipped } = await steps.openWave(at);
  if (skipped.count > 0) state.view.reasons = [skippedText(skipped)];
  let holding = false;
  for (let calls = 0; !state.stopped; calls += 1) {
    const { paused, advanced: overridden } = state;
    const ask: CarryInput = { ...at, fence, calls, holding, paused, overridden };
    const report: WaveReport | null = await untilSteered(state, () => steps.carryWave(ask));
    if (report === null) {
      await showSteered(wave);
      continue;
    }
    state.view.counts = report.counts;
    if (report.end === 'complete') return outcome(state, 'passed');
    if (report.end === 'abort') return aborted(state, report);
    if (report.end === 'hold') await hold(wave, report, holding);
    else await show(state, { state: activity(state) }, report.next, report.nextAt);
    holding = report.end === 'hold' || (holding && report.end === 'progress');
  }
  return outcome(state, 'stopped');
}

interface Soak {
  /** Alarms since then start it anew. */
  since: number;
  until: number;
  holding: boolean;
}

/** The timer starts anew with every alarm; a person may end it, the gate may end the rollout. */
async function soak(wave: Wave): Promise<WaveOutcome> {
  const { state, steps, at } = wave;
  const { soakMs } = state.input;
  const soaking = { since: Date.now(), until: Date.now() + soakMs, holding: false };
  await showSoak(state, soaking, []);
  for (;;) {
    const ask = { ...at, since: isoTime(soaking.since), holding: soaking.holding };
    const report = await soakFor(wave, soaking.until - Date.now(), () => steps.watchSoak(ask));
    if (state.stopped) return outcome(state, 'stopped');
    if (report !== null) {
      if (report.end === 'abort') return aborted(state, report);
      await heed(wave, soaking, report);
    } else if (soaking.until <= Date.now() || state.advanced) {
      const ended = await endSoak(wave, soaking, ask);
      if (ended !== null) return ended;
    }
  }
}

async function heed(wave: Wave, soaking: Soak, report: SoakReport): Promise<void> {
  const { state } = wave;
  const wasHolding = soaking.holding;
  state.view.counts = report.counts;
  soaking.holding = report.end === 'hold';
  if (report.end === 'hold') {
    await hold(wave, { ...report, next: 'the gate holds' }, wasHolding);
    return;
  }
  if (report.end === 'alarm') {
    soaking.since = Date.now();
    soaking.until = Date.now() + state.input.soakMs;
  }
  const reasons = report.reasons.map(({ text }) => text);
  await showSoak(state, soaking, reasons);
}

/** Null where the gate holds: that must be over before anything goes on, though the soak is. */
async function endSoak(wave: Wave, soaking: Soak, ask: SoakInput): Promise<WaveOutcome | null> {
  const { state, steps } = wave;
  const verdict = await steps.judgeWave(ask);
  state.view.counts = verdict.counts;
  if (verdict.end === 'abort') return aborted(state, verdict);
  if (verdict.end !== 'hold' || state.advanced) return outcome(state, 'passed');
  await hold(wave, verdict, soaking.holding);
  soaking.holding = true;
  soaking.until = Date.now() + Math.min(state.input.soakMs, RECHECK_MS);
  return null;
}

const showSoak = (state: WaveState, { until }: Soak, reasons: string[]): Promise<void> =>
  show(state, { state: 'soaking', reasons }, 'the soak ends', isoTime(until));

const RECHECK_MS = 60_000;
const RESUME = 'Update `resume`';

/** Null where the soak is over or somebody steered. */
function soakFor(
  { state }: Wave,
  ms: number,
  watch: () => Promise<SoakReport>,
): Promise<SoakReport | null> {
  return untilSteered(state, () => {
    const over = sleep(Math.max(1, ms), { summary: 'Soak' }).then(() => null);
    return Promise.race([watch(), over]);
  });
}

/** Null where somebody steered meanwhile; the step has ended by then, so that nothing of it is still under way. */
async function untilSteered<T>(state: WaveState, step: () => Promise<T | null>): Promise<T | null> {
  const before = state.steered;
  const scope = new CancellationScope();
  const done = scope.run(step);
  const steered = scope
    .run(() => condition(() => state.steered !== before))
    .then(() => null)
    .catch(() => null);
  const first = await Promise.race([done, steered]);
  scope.cancel();
  return first ?? done.then(() => null).catch(() => null);
}

/** A person is told once of each hold. */
async function hold(
  { state, steps, at }: Wave,
  report: Pick<WaveReport, 'reasons' | 'next'> & { nextAt?: string | null },
  told: boolean,
): Promise<void> {
  const reasons = report.reasons.map(({ text }) => text);
  const how = 'Update `advance` goes on by hand, `abort` stops the rollout';
  await show(state, { state: 'holding', reasons }, `${report.next}. ${how}`, report.nextAt ?? null);
  if (told) return;
  const { release, wave } = state.input;
  await steps.page({
    id: `${at.ref.rolloutId}-${at.kind}-${wave}-hold`,
    subject: `Rollout of ${release} holds at wave ${wave}`,
    text: reasons.join('; '),
  });
}

const showSteered = ({ state }: Wave): Promise<void> =>
  state.stopped
    ? Promise.resolve()
    : show(state, { state: activity(state) }, state.paused ? RESUME : 'the next look');

const activity = ({ paused }: WaveState) => (paused ? 'paused' : 'dispatching');

const aborted = (
  state: WaveState,
  { reasons, crossedAt }: Pick<WaveReport, 'reasons' | 'crossedAt'>,
): WaveOutcome => ({
  ...outcome(state, 'abort'),
  reasons: reasons.map(({ text }) => text),
  crossedAt,
});

const outcome = ({ view }: WaveState, end: WaveOutcome['end']): WaveOutcome => ({
  end,
  counts: view.counts,
  reasons: view.reasons,
  crossedAt: null,
});

const skippedText = ({ count, examples }: { count: number; examples: string[] }): string =>
  `${count} left out, held by another runbook or contained: ${examples.join(', ')}`;
