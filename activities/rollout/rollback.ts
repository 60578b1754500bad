import type {
  Hop,
  PlannedDevice,
  PlanSummary,
  RolloutPlan,
  RolloutRef,
  Route,
} from '../../domain/rollout/types';
import { waveSizes } from '../../domain/rollout/waves';
import type { RolloutDeps } from './deps';
import { baselineOf, writeWaves } from './freeze';
import { rolloutPrefix } from './job-record';
import { readDevices, readJson, readPlan, sha256 } from './objects';
import { summarise } from './plan';
import type { DueDevice } from './select';
import { truthKey } from './settle';
import { canGoBack, routeOf, wayBack, type Truth } from './truth';

const WAVES = ['max(5, 1%)', '100%'];

/**
 * The inverse rollout, from what `settle` wrote down: touched devices that run something else than they came from, by the signed
 * revert of the hop that they run. A few first, then the rest. Safe to retry: the first plan that was written stays.
 */
export async function planRollback(
  deps: RolloutDeps,
  ref: RolloutRef,
): Promise<PlanSummary | null> {
  const planKey = `${rolloutPrefix(ref.rolloutId)}rollback/plan.json`;
  if ((await deps.store.get(planKey)) === null) {
    const plan = await readPlan(deps.store, ref);
    const truths = await readJson<Truth[]>(deps.store, truthKey(ref.rolloutId), []);
    const due = truths.filter((truth) => canGoBack(plan, truth));
    if (due.length === 0) return null;
    const inverse = await invert(deps, plan, due);
    await deps.store.create(planKey, JSON.stringify(inverse));
  }
  const text = (await deps.store.get(planKey)) ?? '';
  return summarise(deps, { ...ref, planKey, planHash: sha256(text) });
}

async function invert(deps: RolloutDeps, plan: RolloutPlan, due: Truth[]): Promise<RolloutPlan> {
  const routes: Route[] = [];
  const indexes = new Map<string, number>();
  const forward = await plannedDevices(deps, plan, due);
  const devices = due.flatMap((truth): DueDevice[] => {
    const back = wayBack(plan, truth);
    const device = forward.get(truth.thing);
    if (back === null || device === undefined) return [];
    const { hardware } = routeOf(plan, truth);
    const from = truth.runs ?? '';
    const key = JSON.stringify([hardware, from, back.target]);
    const hops: Hop[] = [{ ...back, revert: null }];
    const route = indexes.get(key) ?? routes.push({ hardware, from, hops, devices: 0 }) - 1;
    indexes.set(key, route);
    const found = routes[route];
    if (found !== undefined) found.devices = (found.devices ?? 0) + 1;
    return [{ ...device, route, stratum: `${hardware}/${device.site}/${from}` }];
  });
  const { settings, release } = plan;
  const sizes = waveSizes(WAVES, devices.length);
  const prefix = `${rolloutPrefix(plan.rolloutId)}rollback/`;
  return {
    ...plan,
    kind: 'rollback',
    release: { ...release, raisesEpoch: false },
    // Nothing that speaks against the release speaks against leaving it, and a touched device waits for no window.
    settings: {
      ...settings,
      waves: WAVES,
      window: null,
      soakMs: 0,
      gate: [],
      metrics: [],
      minReachedPercent: 0,
    },
    routes,
    waves: await writeWaves(deps, prefix, devices, sizes.ok ? sizes.sizes : []),
    baseline: await baselineOf(deps, routes),
    plannedAt: new Date(deps.now()).toISOString(),
  };
}

async function plannedDevices(
  { store }: RolloutDeps,
  { waves }: RolloutPlan,
  due: Truth[],
): Promise<Map<string, PlannedDevice>> {
  const things = new Set(due.map(({ thing }) => thing));
  const found = new Map<string, PlannedDevice>();
  for (const wave of waves)
    for (const device of await readDevices(store, wave))
      if (things.has(device.thing)) found.set(device.thing, device);
  return found;
}
