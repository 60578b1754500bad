import { matchedControl, sumOf, type Stratum } from '../../domain/rollout/cohort';
import { controlQuery, ofHardware, runsQuery } from '../../domain/rollout/queries';
import type {
  HealthCounts,
  Hop,
  Measurement,
  RolloutPlan,
  WaveCounts,
} from '../../domain/rollout/types';
import { createAlarmScope, type AlarmScope } from './alarm-scope';
import type { RolloutDeps } from './deps';

export type MeasureDeps = Pick<RolloutDeps, 'index' | 'alarms' | 'metrics' | 'store' | 'now'>;

/** Of `deviceAlarmName`, and of alarms that people make for the gate. */
export const ALARM_PREFIX = 'iot-runbooks/';
const HEALTH = 'shadow.reported.health';
const OFFLINE = 'connectivity.connected:false';

/**
 * One look at everything but the jobs, at a number of AWS calls that does not grow with the fleet: for each hardware
 * of the plan one call of updated devices and, where a rule compares them, one of those that are not, twice where a
 * rule asks who is offline; one page of alarms; one call of metrics. Reads only, so that any call may be repeated. A source that fails is null, with the
 * reason in `missing`: the gate holds, and the others still count.
 */
export async function measure(
  deps: MeasureDeps,
  plan: RolloutPlan,
  wave: number,
  counts: WaveCounts,
  complete: boolean,
  scope: AlarmScope = createAlarmScope(deps.store, plan),
): Promise<Measurement> {
  const missing: NonNullable<Measurement['missing']> = {};
  const orNull = <T>(source: keyof typeof missing, read: Promise<T>): Promise<T | null> =>
    read.catch((error: unknown) => {
      missing[source] = error instanceof Error ? error.message : String(error);
      return null;
    });
  const now = deps.now();
  const strata = readUpdated(deps, plan);
  const [updated, control, alarms, metrics] = await Promise.all([
    orNull(
      'updated',
      strata.then((each) => withoutBaseline(plan, each)),
    ),
    orNull('control', readControl(deps, plan, strata)),
    orNull('alarms', readAlarms(deps, plan, wave, scope)),
    orNull('metrics', readMetrics(deps, plan, now)),
  ]);
  return {
    at: new Date(now).toISOString(),
    wave,
    waves: plan.waves.length,
    complete,
    counts,
    updated,
    control,
    alarms,
    metrics: metrics ?? {},
    missing,
  };
}

/** Devices of one hardware that are on their way to the same artifact. */
interface Group {
  hardware: string;
  hop: Hop;
  /** Versions that they come from, those of most devices first. */
  from: string[];
}

interface Updated extends Group {
  counts: HealthCounts;
}

function groupsOf(plan: RolloutPlan): Group[] {
  const sizes = sizesOf(plan);
  const groups = new Map<string, Group>();
  const routes = [...plan.routes].sort((a, b) => sizeOf(b, sizes) - sizeOf(a, sizes));
  for (const { hardware, from, hops } of routes) {
    const hop = hops.at(-1);
    if (hop === undefined) continue;
    const key = JSON.stringify([hardware, hop.release]);
    const group = groups.get(key) ?? { hardware, hop, from: [] };
    group.from.push(from);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function sizesOf({ waves }: RolloutPlan): [stratum: string, size: number][] {
  const sizes = new Map<string, number>();
  for (const { strata } of waves)
    for (const [name, size] of Object.entries(strata))
      sizes.set(name, (sizes.get(name) ?? 0) + size);
  return [...sizes];
}

const sizeOf = (
  { hardware, from }: { hardware: string; from: string },
  sizes: [string, number][],
): number =>
  sizes.reduce(
    (sum, [name, size]) =>
      name.startsWith(`${hardware}/`) && name.endsWith(`/${from}`) ? sum + size : sum,
    0,
  );

const readUpdated = (deps: MeasureDeps, plan: RolloutPlan): Promise<Updated[]> =>
  Promise.all(
    groupsOf(plan).map(async (group) => ({
      ...group,
      counts: await health(deps, plan, ofHardware(runsQuery(group.hop), group.hardware)),
    })),
  );

/** Devices that ran it before the rollout say nothing of it. */
function withoutBaseline({ baseline }: RolloutPlan, updated: Updated[]): HealthCounts {
  const all = sumOf(updated.map(({ counts }) => counts));
  const targets = new Set(updated.map(({ hop }) => hop.target));
  let before = 0;
  for (const target of targets) before += baseline[target] ?? 0;
  const healthy = Math.max(0, all.healthy - before);
  const devices = healthy + all.degraded + all.unhealthy;
  const offline = all.devices === 0 ? 0 : Math.round((all.offline * devices) / all.devices);
  return { ...all, healthy, devices, offline };
}

/** No devices, without a call, where no rule goes by it. */
async function readControl(
  deps: MeasureDeps,
  plan: RolloutPlan,
  updated: Promise<Updated[]>,
): Promise<HealthCounts> {
  if (!anyRuleSays(plan, /\b(control|cohort)\b/)) return sumOf([]);
  const strata = (await updated).map(async ({ hardware, hop, from, counts }): Promise<Stratum> => {
    const control =
      counts.devices === 0
        ? sumOf([])
        : await health(deps, plan, ofHardware(controlQuery(from, hop), hardware));
    return { updated: counts.devices, control };
  });
  return matchedControl(await Promise.all(strata));
}

async function health(
  { index }: MeasureDeps,
  plan: RolloutPlan,
  query: string,
): Promise<HealthCounts> {
  const [buckets, offline] = await Promise.all([
    index.buckets(query, HEALTH),
    anyRuleSays(plan, /\.offline/) ? index.count(`${query} AND ${OFFLINE}`) : 0,
  ]);
  const { healthy = 0, degraded = 0, unhealthy = 0 } = buckets;
  return { devices: healthy + degraded + unhealthy, healthy, degraded, unhealthy, offline };
}

const anyRuleSays = ({ settings }: RolloutPlan, what: RegExp): boolean =>
  settings.gate.some(({ when }) => what.test(when));

async function readAlarms(
  { alarms }: MeasureDeps,
  plan: RolloutPlan,
  wave: number,
  scope: AlarmScope,
): Promise<string[]> {
  const since = Date.parse(plan.plannedAt);
  const raised = (await alarms.raised(ALARM_PREFIX)).filter((alarm) => alarm.since >= since);
  const things = raised.flatMap(({ thing }) => (thing === null ? [] : [thing]));
  const ours = await scope.within([...new Set(things)], wave);
  return raised.flatMap(({ name, thing }) => (thing === null || ours.has(thing) ? [name] : []));
}

async function readMetrics(
  { metrics }: MeasureDeps,
  { settings }: RolloutPlan,
  now: number,
): Promise<Measurement['metrics']> {
  return settings.metrics.length === 0 ? {} : metrics.latest(settings.metrics, now);
}
