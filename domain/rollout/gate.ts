import { formatDuration } from '../duration';
import { percentOf } from './cohort';
import { compileRule, InvalidRuleError, type RuleAnswer } from './expression';
import { consideredOf, executedOf, factsOf, type Facts } from './facts';
import type { GateRule, GateVerdict, Measurement, RolloutSettings, WaveCounts } from './types';

/** From this share of failed or silent devices on, once so many have executed. */
const FAILED_PERCENT = 5;
const FAILED_AFTER = 10;

export interface GateInput {
  measurement: Measurement;
  rules: readonly GateRule[];
  settings: Pick<RolloutSettings, 'minReachedPercent' | 'noDataForMs' | 'metrics'>;
  /** Of the last judgement of this wave; null for the first. Epoch milliseconds. */
  noDataSince: number | null;
  /** Epoch milliseconds. */
  now: number;
  /** A person has let this wave go on: no hold counts, nor what is held for. An abort still does. */
  overridden?: boolean;
  /** Reasons of an earlier abort of this rollout: an abort is final. */
  aborted?: GateVerdict['reasons'] | null;
}

export interface Judgement extends GateVerdict {
  /** More devices of the same wave may be asked: it holds for nothing but that it is not complete. */
  dispatch: boolean;
  /** To be passed on to the next judgement. */
  noDataSince: number | null;
}

type Reason = GateVerdict['reasons'][number];

interface Found {
  abort: Reason[];
  hold: Reason[];
  noData: Reason[];
}

/**
 * Whether the next wave may start. Pure; never throws. It advances only where the wave is complete and nothing at all
 * speaks against it: what can't be judged holds, and for too long aborts. The rules built in can't be taken out by
 * YAML, and none of them depends on an expression.
 */
export function judge(input: GateInput): Judgement {
  const { measurement, rules, settings, noDataSince, aborted = null } = input;
  if (aborted !== null && aborted.length > 0) return stop(aborted, noDataSince);
  const complete = isComplete(measurement);
  const names = settings.metrics.map(({ name }) => name);
  const found: Found = {
    abort: failures(measurement, complete),
    hold: complete ? shortfalls(measurement.counts, settings.minReachedPercent) : [],
    noData: missingSources(measurement, names, complete),
  };
  const facts = factsOf(measurement, complete);
  for (const rule of rules) {
    const answer = answerOf(rule, names, facts);
    if (answer.answer !== 'noData' || answer.missing.some(isDue(measurement, complete)))
      apply(rule, answer, found);
  }
  return decide(input, found, complete);
}

function decide(input: GateInput, found: Found, complete: boolean): Judgement {
  const { overridden = false, now, settings, measurement } = input;
  const { abort } = found;
  const { hold, noData } = overridden ? { hold: [], noData: [] } : found;
  const noDataSince = noData.length === 0 ? null : (input.noDataSince ?? now);
  const overdue = noDataSince !== null && now - noDataSince >= settings.noDataForMs;
  if (overdue) abort.push(...noData.map(tooLong(settings)));
  if (abort.length > 0) return stop(abort, noDataSince);
  const held = [...hold, ...noData];
  if (held.length > 0) return { decision: 'hold', reasons: held, dispatch: false, noDataSince };
  if (complete) return { decision: 'advance', reasons: [], dispatch: false, noDataSince };
  const reasons = [unfinished(measurement.counts)];
  return { decision: 'hold', reasons, dispatch: true, noDataSince };
}

const stop = (reasons: Reason[], noDataSince: number | null): Judgement => ({
  decision: 'abort',
  reasons,
  dispatch: false,
  noDataSince,
});

/** By the counts, too: an installation that is not confirmed is not at its end, whatever its job says. */
export const isComplete = ({ complete, counts }: Measurement): boolean =>
  complete && openOf(counts) === 0;

const openOf = ({ waiting, queued, inProgress, succeeded }: WaveCounts): number =>
  waiting + queued + inProgress + succeeded;

function failures({ wave, counts }: Measurement, complete: boolean): Reason[] {
  const bad = counts.failed + counts.silent;
  const executed = executedOf(counts);
  if (bad === 0) return [];
  const what = `${bad} of ${devices(executed)} failed (${percent(bad, executed)}; ${counts.silent} of them silent)`;
  if (wave === 1)
    return [{ rule: 'firstWave', text: `${what}; any failure in the first wave is enough` }];
  const reachable = consideredOf(counts) - counts.unreached;
  const enough = complete || executed >= Math.min(FAILED_AFTER, reachable);
  if (!enough || bad * 100 < FAILED_PERCENT * executed) return [];
  return [{ rule: 'failures', text: `${what}; ${FAILED_PERCENT} % is enough` }];
}

/** Of a complete wave: a wave of which hardly anything was heard proves nothing. */
function shortfalls(counts: WaveCounts, minReachedPercent: number): Reason[] {
  const considered = consideredOf(counts);
  const reached = considered - counts.unreached;
  if (considered > 0 && reached * 100 < minReachedPercent * considered) {
    const text = `${reached} of ${devices(considered)} were reached (${percent(reached, considered)}), ${minReachedPercent} % have to be; ${counts.unreached} were not connected since they were asked`;
    return [{ rule: 'reached', text }];
  }
  if (counts.confirmed > 0) return [];
  return [{ rule: 'confirmed', text: `none of ${devices(counts.size)} has confirmed its health` }];
}

function missingSources(measurement: Measurement, names: string[], complete: boolean): Reason[] {
  const { updated, control, alarms, metrics, missing = {} } = measurement;
  const absent: string[] = [];
  const tell = (what: string, why: string | undefined) =>
    absent.push(why === undefined ? what : `${what} (${why})`);
  if (updated === null) tell('the health of updated devices', missing.updated);
  if (control === null) tell('the health of devices that are not updated yet', missing.control);
  if (alarms === null) tell('alarms', missing.alarms);
  for (const name of names) {
    const is = isDue(measurement, complete)(`metrics.${name}`);
    if (is && !Number.isFinite(metrics[name])) tell(`the metric ${name}`, missing.metrics);
  }
  return absent.map((what) => ({ rule: 'noData', text: `no data of ${what}` }));
}

/**
 * Whether its absence counts already: a metric of the new release can't have data before a device runs it, and a
 * share of the devices that have ended is one of nothing as long as none has.
 */
const isDue =
  ({ wave, counts }: Measurement, complete: boolean) =>
  (fact: string): boolean => {
    if (complete) return true;
    if (fact.startsWith('metrics.')) return wave > 1 || executedOf(counts) > 0;
    return !fact.startsWith('devices.');
  };

function answerOf(rule: GateRule, metrics: string[], facts: Facts): RuleAnswer {
  try {
    return compileRule(rule, metrics).ask(facts);
  } catch (error) {
    if (error instanceof InvalidRuleError) return { answer: 'error', why: error.message };
    throw error;
  }
}

function apply({ name, then, reason }: GateRule, answer: RuleAnswer, found: Found): void {
  switch (answer.answer) {
    case 'clear':
      return;
    case 'matched':
      found[then].push({ rule: name, text: `${reason} (${answer.values})` });
      return;
    case 'noData':
      found.noData.push({ rule: name, text: answer.why });
      return;
    case 'error':
      found.hold.push({ rule: name, text: `the rule can’t be judged: ${answer.why}` });
  }
}

const tooLong =
  ({ noDataForMs }: GateInput['settings']) =>
  ({ rule, text }: Reason): Reason => ({
    rule,
    text: `${text} for ${formatDuration(noDataForMs)}`,
  });

function unfinished(counts: WaveCounts): Reason {
  const { waiting, queued, inProgress, succeeded } = counts;
  const parts = [
    [waiting, 'wait to be asked'],
    [queued, 'have not begun'],
    [inProgress, 'are at it'],
    [succeeded, 'have installed it and not confirmed their health yet'],
  ] as const;
  const told = parts.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  const text = told.length > 0 ? told.join(', ') : 'the wave is not closed yet';
  return { rule: 'incomplete', text: `of ${devices(counts.size)}: ${text}` };
}

const devices = (count: number): string => `${count} ${count === 1 ? 'device' : 'devices'}`;
const percent = (part: number, whole: number): string =>
  `${Math.round((percentOf({ of: whole, bad: part }) ?? 0) * 10) / 10} %`;
