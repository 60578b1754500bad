import { ApplicationFailure } from '@temporalio/activity';
import type { RolloutPlan } from '../../domain/rollout/types';
import { createAlarmScope, type AlarmScope } from './alarm-scope';
import type { RolloutDeps } from './deps';
import { readEnd, type EndOfWave } from './end-of-wave';
import { openGate, type Gate, type Verdict } from './gate-state';
import { extendLease } from './lease';
import { ALARM_PREFIX, measure } from './measure';
import { readPlan } from './objects';
import type { Sleep } from './pace';
import type { SoakInput, SoakReport, WaveReport } from './types';

interface Soak {
  deps: RolloutDeps;
  plan: RolloutPlan;
  input: SoakInput;
  end: EndOfWave;
  gate: Gate;
  scope: AlarmScope;
}

/** Rules of the gate on how a wave ended, which no soak changes. */
const OF_ENDS = ['reached', 'confirmed'];

/** Reads only. Returns where there is something to tell; how long a soak is, its workflow knows. */
export async function watchSoak(
  deps: RolloutDeps,
  input: SoakInput,
  sleep: Sleep,
): Promise<SoakReport> {
  const soak = await open(deps, input);
  for (;;) {
    const verdict = await measured(soak);
    const end = await endOf(soak, verdict);
    if (end !== null) {
      const { reasons, crossedAt } = verdict;
      const alarms = end === 'alarm' ? await newAlarms(soak) : [];
      return { end, reasons: [...alarms, ...reasons], counts: soak.end.counts, crossedAt };
    }
    await sleep(soak.plan.settings.measureEveryMs);
  }
}

/** A hold that a person has let pass is the workflow's to know. */
export async function judgeWave(deps: RolloutDeps, input: SoakInput): Promise<WaveReport> {
  const soak = await open(deps, input);
  const { decision, reasons, crossedAt } = await measured(soak);
  const { end, next } = {
    abort: { end: 'abort', next: 'the rollout is stopped' },
    hold: { end: 'hold', next: 'the gate holds' },
    advance: { end: 'complete', next: 'the next wave' },
  }[decision] as Pick<WaveReport, 'end' | 'next'>;
  return { end, counts: soak.end.counts, reasons, next, nextAt: null, crossedAt };
}

async function open(deps: RolloutDeps, input: SoakInput): Promise<Soak> {
  const plan = await readPlan(deps.store, input.ref);
  const [end, gate] = await Promise.all([readEnd(deps, input), openGate(deps, plan, input)]);
  if (end === null)
    throw ApplicationFailure.nonRetryable(`wave ${input.wave} is not complete`, 'WaveNotComplete');
  return { deps, plan, input, end, gate, scope: createAlarmScope(deps.store, plan) };
}

async function measured({ deps, plan, input, end, gate, scope }: Soak): Promise<Verdict> {
  const measurement = await measure(deps, plan, input.wave, end.counts, true, scope);
  await extendLease({ deps, plan, at: input });
  const verdict = await gate.judge(measurement, false);
  const reasons = verdict.reasons.filter(({ rule }) => !OF_ENDS.includes(rule));
  if (verdict.decision !== 'hold' || !end.overridden || reasons.length > 0) return verdict;
  return { ...verdict, decision: 'advance', reasons };
}

async function endOf(soak: Soak, verdict: Verdict): Promise<SoakReport['end'] | null> {
  const { holding } = soak.input;
  if (verdict.decision === 'abort') return 'abort';
  if ((await newAlarms(soak)).length > 0) return 'alarm';
  if (verdict.decision === 'hold') return holding || verdict.isPassing ? null : 'hold';
  return holding ? 'holdOver' : null;
}

/** In scope, and raised after the soak began anew. */
async function newAlarms({ deps, input, scope }: Soak): Promise<SoakReport['reasons']> {
  const since = Date.parse(input.since);
  // Unreadable alarms are no data, which the gate has judged.
  const raised = await deps.alarms.raised(ALARM_PREFIX).catch(() => []);
  const fresh = raised.filter((alarm) => alarm.since > since);
  const things = fresh.flatMap(({ thing }) => (thing === null ? [] : [thing]));
  const ours = await scope.within([...new Set(things)], input.wave);
  return fresh
    .filter(({ thing }) => thing === null || ours.has(thing))
    .map(({ name }) => ({ rule: 'soak', text: `the alarm ${name} was raised during the soak` }));
}
