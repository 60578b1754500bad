import { confirmedQuery } from '../../domain/rollout/queries';
import { countStrata } from '../../domain/rollout/strata';
import type {
  Chunk,
  PlannedDevice,
  PlannedWave,
  RolloutPlan,
  Route,
} from '../../domain/rollout/types';
import type { RolloutDeps } from './deps';
import { sha256 } from './objects';
import type { DueDevice } from './select';

/** Devices per object; each is about 100 bytes. */
const CHUNK = 10_000;

/** The waves of a plan, and their devices as objects below `prefix`, in the order of dispatch. */
export async function writeWaves(
  { store }: Pick<RolloutDeps, 'store'>,
  prefix: string,
  ordered: readonly DueDevice[],
  sizes: readonly number[],
): Promise<PlannedWave[]> {
  const waves: PlannedWave[] = [];
  let from = 0;
  for (const [index, size] of sizes.entries()) {
    const devices = ordered.slice(from, from + size);
    from += size;
    const number = index + 1;
    const chunks: Chunk[] = [];
    for (let at = 0; at < devices.length; at += CHUNK) {
      const some = devices.slice(at, at + CHUNK).map(planned);
      const text = JSON.stringify(some);
      const hash = sha256(text);
      // By its content: what an attempt that planned something else has left is never taken for it.
      const key = `${prefix}wave-${number}-${hash.slice(0, 16)}.json`;
      await store.create(key, text);
      chunks.push({ key, sha256: hash, count: some.length });
    }
    waves.push({ number, size, chunks, strata: countStrata(devices) });
  }
  return waves;
}

const planned = ({ thing, site, route, timezone }: DueDevice): PlannedDevice => ({
  ...{ thing, site, route },
  ...(timezone !== undefined && { timezone }),
});

/** Devices that are confirmed on a hop before anybody is asked, by target. */
export async function baselineOf(
  { index }: Pick<RolloutDeps, 'index'>,
  routes: readonly Route[],
): Promise<RolloutPlan['baseline']> {
  const hops = new Map(routes.flatMap(({ hops: all }) => all.map((hop) => [hop.target, hop])));
  const baseline: Record<string, number> = {};
  for (const [target, hop] of hops) baseline[target] = await index.count(confirmedQuery(hop));
  return baseline;
}
