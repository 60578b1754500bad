import { readReported, type Reported } from '../../domain/rollout/reported.schema';
import type {
  DeviceResult,
  Hop,
  OutcomeCounts,
  PlannedDevice,
  RolloutPlan,
  Route,
} from '../../domain/rollout/types';
import { isTerminal } from '../aws/iot-jobs';
import type { ListedExecution, RolloutDeps } from './deps';
import { isEndOfWave, readRecords, type JobRecord } from './job-record';
import type { Paces } from './pace';

/** What AWS Jobs tell of one device over all jobs of a rollout that named it. */
export interface Asked {
  /** Of the last job that it began, if it began any. */
  target: string;
  /** In its last job. */
  status: string | null;
  /** It began, or ended by its own word: it may run something else now. */
  began: boolean;
}

/** One device after the rollout: by its jobs and by its own word. */
export interface Truth {
  thing: string;
  /** Of the rollout's plan. */
  route: number;
  wave: number;
  touched: boolean;
  /** Firmware version; null where it never said. */
  runs: string | null;
  /** Release counter of what it runs, where an update brought it there. */
  release: number | null;
  /** It has said all that is to be said: how the update ended that it was asked for last. */
  settled: boolean;
  /** It has no update in hand and says nothing of that one: set aside as it was cancelled, or not told of yet. */
  quiet: boolean;
  status: string | null;
}

/** Lists every job of the rollout once: its executions outlive it. */
export async function readAsked(
  { store, jobs }: RolloutDeps,
  { rolloutId, kind }: Pick<RolloutPlan, 'rolloutId' | 'kind'>,
  paces: Paces,
): Promise<Map<string, Asked>> {
  const asked = new Map<string, Asked>();
  for (const record of await readRecords(store, rolloutId, kind)) {
    if (isEndOfWave(record)) continue;
    const executions = new Map<string, ListedExecution>();
    await paces.describeJob();
    for await (const page of jobs.executions(record.jobId)) {
      for (const execution of page) executions.set(execution.thing, execution);
      await paces.describeJob();
    }
    for (const thing of record.things)
      asked.set(thing, add(asked.get(thing), record, executions.get(thing)));
  }
  return asked;
}

function add(
  before: Asked | undefined,
  { target }: JobRecord,
  execution: ListedExecution | undefined,
): Asked {
  const status = execution?.status ?? null;
  const began = execution !== undefined && hasBegun(execution);
  if (!began && before?.began === true) return { ...before, status };
  return { target, status, began };
}

const hasBegun = ({ status, startedAt }: ListedExecution): boolean =>
  startedAt !== null ||
  status === 'IN_PROGRESS' ||
  (isTerminal(status) && !['CANCELED', 'REMOVED'].includes(status));

export function routeOf(plan: Pick<RolloutPlan, 'routes'>, { route }: { route: number }): Route {
  const found = plan.routes[route];
  if (found === undefined) throw new Error(`the plan has no route ${route}`);
  return found;
}

export function truthOf(
  plan: Pick<RolloutPlan, 'routes'>,
  wave: number,
  device: PlannedDevice,
  asked: Asked,
  state: unknown,
): Truth {
  const reported = readReported(state);
  const update = reported?.update ?? null;
  const { hops } = routeOf(plan, device);
  const names = hops.some(({ release }) => release === update?.release);
  const touched = asked.began || names;
  return {
    thing: device.thing,
    route: device.route,
    wave,
    touched,
    runs: reported?.version ?? null,
    release: update?.outcome === 'SUCCEEDED' ? update.release : null,
    settled: !touched || hasSettled(reported, asked, hops),
    quiet: reported?.version != null && (update === null || update.outcome !== null),
    status: asked.status,
  };
}

function hasSettled(reported: Reported | null, { target }: Asked, hops: Hop[]): boolean {
  const update = reported?.update ?? null;
  if (reported === null || reported.version === null || update === null) return false;
  const last = hops.find((hop) => hop.target === target);
  // An older update than the one that it was asked for last is not the last word.
  return update.outcome !== null && (last === undefined || (update.release ?? 0) >= last.release);
}

/** The hop that a device runs the outcome of; undefined where it is none of the plan's. */
export const hopRun = (plan: Pick<RolloutPlan, 'routes'>, truth: Truth): Hop | undefined =>
  routeOf(plan, truth).hops.findLast(({ version }) => version === truth.runs);

/** Brings it back to the very version that it came from; null where none is signed. */
export function wayBack(plan: Pick<RolloutPlan, 'routes'>, truth: Truth): Hop['revert'] {
  const { from } = routeOf(plan, truth);
  const revert = hopRun(plan, truth)?.revert ?? null;
  return revert?.version === from ? revert : null;
}

export const canGoBack = (plan: Pick<RolloutPlan, 'routes'>, truth: Truth): boolean =>
  truth.touched &&
  truth.settled &&
  truth.runs !== routeOf(plan, truth).from &&
  wayBack(plan, truth) !== null;

/** `back`: what could be brought back was to be. */
export function resultOf(
  plan: Pick<RolloutPlan, 'routes' | 'release'>,
  truth: Truth,
  back: 'notAsked' | 'attempted',
): DeviceResult {
  const { from } = routeOf(plan, truth);
  const { thing, runs } = truth;
  const is = (outcome: DeviceResult['outcome'], why: string): DeviceResult => ({
    thing,
    outcome,
    from,
    runs,
    why,
  });
  if (!truth.touched) return is('untouched', untouchedBecause(truth));
  if (runs === null) return is('needsPerson', 'it never said what it runs');
  if (!truth.settled) return is('needsPerson', `it did not end its update; it last ran ${runs}`);
  if (runs === from) return is('rolledBack', `it runs ${from}, which it came from`);
  if (back === 'attempted') return is('needsPerson', `it runs ${runs} and was not brought back`);
  if (runs === plan.release.version) return is('updated', `it runs ${runs}`);
  return is('needsPerson', `it runs ${runs}, neither the release nor ${from}`);
}

function untouchedBecause({ status }: Truth): string {
  if (status === null) return 'it was not asked';
  return status === 'CANCELED'
    ? 'it did not begin; what it was asked was taken back'
    : `it did not begin (${status})`;
}

export function countOutcomes(results: Iterable<DeviceResult>, touched: number): OutcomeCounts {
  const counts = { updated: 0, rolledBack: 0, untouched: 0, needsPerson: 0, touched };
  for (const { outcome } of results) counts[outcome] += 1;
  return counts;
}
