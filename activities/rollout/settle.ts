import type { PlannedDevice, RolloutPlan, RolloutRef } from '../../domain/rollout/types';
import type { RolloutDeps } from './deps';
import { rolloutPrefix } from './job-record';
import { readDevices, readPlan } from './objects';
import { createPaces, eachOf, type Paces, type Sleep } from './pace';
import {
  canGoBack,
  countOutcomes,
  hopRun,
  readAsked,
  resultOf,
  routeOf,
  truthOf,
  wayBack,
  type Asked,
  type Truth,
} from './truth';
import type { Settled } from './types';

const CALLS_AT_ONCE = 16;
const FIRST_LOOK_MS = 200;
const MOST_LOOK_MS = 15_000;

export const truthKey = (rolloutId: string): string => `${rolloutPrefix(rolloutId)}truth.json`;

interface AskedDevice {
  device: PlannedDevice;
  wave: number;
  asked: Asked;
}

/**
 * What every device that was asked runs, by its own word, read from its shadow and not from the index. Reads only, but for
 * the truth it writes down; a retry reads on.
 */
export async function settle(
  deps: RolloutDeps,
  { ref, withinMs }: { ref: RolloutRef; withinMs: number },
  sleep: Sleep,
): Promise<Settled> {
  const until = deps.now() + withinMs;
  const plan = await readPlan(deps.store, ref);
  const truths = await truthOfAsked(deps, plan, sleep, until);
  await deps.store.put(truthKey(ref.rolloutId), JSON.stringify(truths));
  const touched = truths.filter((truth) => truth.touched);
  const results = touched.map((truth) => resultOf(plan, truth, 'notAsked'));
  const untouched = plan.waves.reduce((sum, { size }) => sum + size, 0) - touched.length;
  const counts = countOutcomes(results, touched.length);
  return {
    counts: { ...counts, untouched },
    toRollBack: truths.filter((truth) => canGoBack(plan, truth)).length,
    findings: findingsOf(plan, touched),
  };
}

/**
 * Of all devices that any job of the rollout named. Until `until`, those that have not settled are asked again. Those in
 * `updated` are known to run the release, and need not be asked.
 */
export async function truthOfAsked(
  deps: RolloutDeps,
  plan: RolloutPlan,
  sleep: Sleep,
  until: number,
  updated: ReadonlySet<string> = new Set(),
): Promise<Truth[]> {
  const paces = await createPaces(deps, sleep);
  const devices = await askedDevices(deps, plan, paces);
  const truths = new Map<string, Truth>();
  for (const each of devices)
    if (updated.has(each.device.thing)) truths.set(each.device.thing, runsIt(plan, each));
  const from = deps.now();
  let rest = devices.filter(({ device }) => !truths.has(device.thing));
  for (let wait = FIRST_LOOK_MS; rest.length > 0; wait = Math.min(wait * 1.5, MOST_LOOK_MS)) {
    const isLong = deps.now() - from >= QUIET_MS;
    await eachOf(rest, CALLS_AT_ONCE, async ({ device, wave, asked }) => {
      await paces.shadow();
      const state = await deps.shadows.reported(device.thing);
      const truth = truthOf(plan, wave, device, asked, state);
      truths.set(device.thing, { ...truth, settled: truth.settled || (isLong && truth.quiet) });
    });
    rest = rest.filter(({ device }) => truths.get(device.thing)?.settled !== true);
    if (deps.now() >= until) break;
    await sleep(Math.max(1, Math.min(wait, until - deps.now())));
  }
  return devices.flatMap(({ device }) => truths.get(device.thing) ?? []);
}

/** A device tells of its update within this time of its start, or was not at it any more. */
const QUIET_MS = 5_000;

const runsIt = (plan: RolloutPlan, { device, wave, asked }: AskedDevice): Truth => ({
  ...{ thing: device.thing, route: device.route, wave, status: asked.status },
  ...{ touched: true, settled: true, quiet: true },
  ...{ runs: plan.release.version, release: plan.release.release },
});

async function askedDevices(
  deps: RolloutDeps,
  plan: RolloutPlan,
  paces: Paces,
): Promise<AskedDevice[]> {
  const asked = await readAsked(deps, plan, paces);
  const found: AskedDevice[] = [];
  for (const wave of plan.waves) {
    for (const device of await readDevices(deps.store, wave)) {
      const of = asked.get(device.thing);
      if (of !== undefined) found.push({ device, wave: wave.number, asked: of });
    }
  }
  return found;
}

function findingsOf(plan: RolloutPlan, touched: Truth[]): string[] {
  const unsettled = touched.filter(({ settled, runs }) => !settled || runs === null);
  const noWay = touched.filter(
    (truth) =>
      truth.settled &&
      truth.runs !== routeOf(plan, truth).from &&
      hopRun(plan, truth) !== undefined &&
      wayBack(plan, truth) === null,
  );
  return [
    ...(unsettled.length > 0 ? [`${unsettled.length} never said how their update ended`] : []),
    ...(noWay.length > 0 ? [`${noWay.length} have no signed revert to what they came from`] : []),
  ];
}
