import { runsQuery } from '../../domain/rollout/queries';
import type { DeviceResult, RolloutPlan, RolloutRef } from '../../domain/rollout/types';
import { cancelJobs, emptyGroup } from './cancel-jobs';
import type { RolloutDeps } from './deps';
import { readRecords, rolloutPrefix } from './job-record';
import { readLease } from './lease';
import { readDevices, readPlan, sha256 } from './objects';
import type { Sleep } from './pace';
import { truthKey, truthOfAsked } from './settle';
import { canGoBack, countOutcomes, resultOf, type Truth } from './truth';
import type { ClosedRollout } from './types';

const CHUNK = 10_000;

/**
 * The end, however it came: no execution is left, leases and groups are given back, and every device of the plan is listed.
 * Never asks the guard; safe to repeat.
 */
export async function closeRollout(
  deps: RolloutDeps,
  { ref, rollback }: { ref: RolloutRef; rollback: RolloutRef | null },
  sleep: Sleep,
): Promise<ClosedRollout> {
  const why = 'the rollout is over';
  for (const each of [ref, ...(rollback === null ? [] : [rollback])])
    await cancelJobs(deps, { ref: each, why }, sleep);
  const plan = await readPlan(deps.store, ref);
  const stopped = (await deps.store.get(truthKey(ref.rolloutId))) !== null;
  // The index is behind: what it says of a device that was to go back may be over.
  const updated = stopped ? new Set<string>() : await updatedBy(deps, plan);
  const truths = await truthOfAsked(deps, plan, sleep, deps.now() + SETTLE_MS, updated);
  // A person may leave devices on a release that was stopped; one that can't go back needs a person all the same.
  const isLeft = (truth: Truth) => stopped && (rollback !== null || !canGoBack(plan, truth));
  const results = await listDevices(deps, plan, truths, isLeft);
  const touched = truths.filter((truth) => truth.touched).length;
  const counts = countOutcomes(results, touched);
  const list = await writeResults(deps, ref.rolloutId, results, counts);
  await giveBack(deps, plan, rollback !== null);
  return { counts, list };
}

/** What was still under way has settled before; this is for a last word that is on its way. */
const SETTLE_MS = 6_000;

/** By the index, a page a hundred: a device that says it runs the release need not be asked again. */
async function updatedBy({ index }: RolloutDeps, { routes }: RolloutPlan): Promise<Set<string>> {
  const updated = new Set<string>();
  const last = new Map(
    routes.flatMap(({ hops }) => hops.slice(-1)).map((hop) => [hop.release, hop]),
  );
  for (const hop of last.values())
    for await (const page of index.search(runsQuery(hop)))
      for (const { thing } of page) updated.add(thing);
  return updated;
}

async function listDevices(
  { store }: RolloutDeps,
  plan: RolloutPlan,
  truths: Truth[],
  isLeft: (truth: Truth) => boolean,
): Promise<DeviceResult[]> {
  const known = new Map(truths.map((truth) => [truth.thing, truth]));
  const results: DeviceResult[] = [];
  for (const wave of plan.waves)
    for (const { thing, route } of await readDevices(store, wave)) {
      const truth = known.get(thing) ?? neverAsked(thing, route, wave.number);
      results.push(resultOf(plan, truth, isLeft(truth) ? 'attempted' : 'notAsked'));
    }
  return results;
}

const neverAsked = (thing: string, route: number, wave: number): Truth => ({
  ...{ thing, route, wave, touched: false, runs: null, release: null },
  ...{ settled: true, quiet: true, status: null },
});

async function writeResults(
  { store }: RolloutDeps,
  rolloutId: string,
  results: DeviceResult[],
  counts: ClosedRollout['counts'],
): Promise<ClosedRollout['list']> {
  const chunks: { key: string; sha256: string; count: number }[] = [];
  for (let from = 0; from < results.length; from += CHUNK) {
    const some = results.slice(from, from + CHUNK);
    const key = `${rolloutPrefix(rolloutId)}result-${chunks.length + 1}.json`;
    const text = JSON.stringify(some);
    await store.put(key, text);
    chunks.push({ key, sha256: sha256(text), count: some.length });
  }
  const key = `${rolloutPrefix(rolloutId)}result.json`;
  const text = JSON.stringify({ counts, chunks });
  await store.put(key, text);
  return { key, sha256: sha256(text) };
}

async function giveBack(deps: RolloutDeps, plan: RolloutPlan, wentBack: boolean): Promise<void> {
  const { rolloutId } = plan;
  const lease = await readLease(deps, rolloutId);
  if (lease !== null) await deps.guard.endWork(lease);
  const kinds = wentBack ? (['rollout', 'rollback'] as const) : (['rollout'] as const);
  for (const kind of kinds)
    for (const { group } of await readRecords(deps.store, rolloutId, kind))
      if (group !== null) await deps.groups.remove(group);
  await deps.groups.remove(emptyGroup(rolloutId));
}
