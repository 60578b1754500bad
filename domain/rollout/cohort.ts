import type { HealthCounts } from './types';

/** Below, a cohort says nothing: one device more or less would be 10 percentage points and above. */
const MIN_COHORT = 10;
/** The chance of seeing such a difference where there is none; low, for the gate looks often. */
const SIGNIFICANT = 0.01;

/** Devices of one kind: how many are updated, and how those are that are not. */
export interface Stratum {
  updated: number;
  control: HealthCounts;
}

/** Of the updated devices, at most this share may be of kinds that have none left to compare with. */
const MOST_UNMATCHED = 0.1;

/**
 * As many devices of each kind as the updated ones have, so that a kind which is always worse off does not look like
 * the update's doing. As large as the scarcest kind allows; none where too many updated devices have no match.
 */
export function matchedControl(strata: readonly Stratum[]): HealthCounts {
  const all = strata.reduce((sum, { updated }) => sum + updated, 0);
  const matched = strata.filter(({ updated, control }) => updated > 0 && control.devices > 0);
  const updated = matched.reduce((sum, each) => sum + each.updated, 0);
  if (updated === 0 || all - updated > MOST_UNMATCHED * all) return sumOf([]);
  const size = Math.min(...matched.map((each) => (each.control.devices * updated) / each.updated));
  const weighted = matched.map(({ updated: share, control }) =>
    eachCount(control, (count) => (count * size * share) / updated / control.devices),
  );
  const { devices, degraded, unhealthy, offline } = eachCount(sumOf(weighted), Math.round);
  const healthy = Math.max(0, devices - degraded - unhealthy);
  return { devices, healthy, degraded, unhealthy, offline };
}

export const sumOf = (all: readonly HealthCounts[]): Required<HealthCounts> =>
  all.reduce<Required<HealthCounts>>(
    (sum, counts) => ({
      devices: sum.devices + counts.devices,
      healthy: sum.healthy + counts.healthy,
      degraded: sum.degraded + counts.degraded,
      unhealthy: sum.unhealthy + counts.unhealthy,
      offline: sum.offline + (counts.offline ?? 0),
    }),
    { devices: 0, healthy: 0, degraded: 0, unhealthy: 0, offline: 0 },
  );

const eachCount = (
  { devices, healthy, degraded, unhealthy, offline = 0 }: HealthCounts,
  change: (count: number) => number,
): Required<HealthCounts> => ({
  devices: change(devices),
  healthy: change(healthy),
  degraded: change(degraded),
  unhealthy: change(unhealthy),
  offline: change(offline),
});

export interface CohortDifference {
  /** Percentage points by which more of the updated devices are unhealthy; negative where fewer are. */
  worseBy: number;
  /** Worse, and hardly by chance. False where a cohort is too small to tell. */
  significant: boolean;
  /** The same for devices that are not connected: what a release has killed says nothing any more. */
  offlineBy: number;
  offlineSignificant: boolean;
}

/** The updated devices against those of the same kind that are not updated yet. */
export function compareCohorts(updated: HealthCounts, control: HealthCounts): CohortDifference {
  const health = compare(unhealthyOf(updated), unhealthyOf(control));
  const presence = compare(offlineOf(updated), offlineOf(control));
  return {
    worseBy: health.by,
    significant: health.significant,
    offlineBy: presence.by,
    offlineSignificant: presence.significant,
  };
}

/** So many of so many. */
export interface Share {
  of: number;
  bad: number;
}

export const unhealthyOf = ({ devices, unhealthy }: HealthCounts): Share => ({
  of: devices,
  bad: unhealthy,
});
export const offlineOf = ({ devices, offline = 0 }: HealthCounts): Share => ({
  of: devices,
  bad: offline,
});

export const percentOf = ({ of, bad }: Share): number | null =>
  of === 0 ? null : (bad * 100) / of;

function compare(updated: Share, control: Share): { by: number; significant: boolean } {
  const [there, here] = [percentOf(control), percentOf(updated)];
  const smaller = Math.min(updated.of, control.of);
  return {
    by: here === null || there === null ? 0 : here - there,
    significant: smaller >= MIN_COHORT && chanceOfWorse(updated, control) < SIGNIFICANT,
  };
}

/**
 * Fisher's exact test, one-sided: the chance that so many of the bad ones, or more, are among the updated
 * ones where the update has nothing to do with it. Exact for small cohorts, where a normal approximation is not.
 * https://en.wikipedia.org/wiki/Fisher%27s_exact_test
 */
export function chanceOfWorse(updated: Share, control: Share): number {
  const drawn = updated.of;
  const all = drawn + control.of;
  const bad = updated.bad + control.bad;
  const most = Math.min(drawn, bad);
  // Not worse than expected: no need to know by how much.
  if (updated.bad * all <= bad * drawn) return 1;
  let term = Math.exp(
    logChoose(bad, updated.bad) + logChoose(all - bad, drawn - updated.bad) - logChoose(all, drawn),
  );
  let sum = term;
  // Beyond what is expected each term is smaller than the one before.
  for (let x = updated.bad; x < most && term > sum * Number.EPSILON; x += 1) {
    term *= ((bad - x) * (drawn - x)) / ((x + 1) * (all - bad - drawn + x + 1));
    sum += term;
  }
  return Math.min(1, sum);
}

const logChoose = (n: number, k: number): number =>
  logFactorial(n) - logFactorial(k) - logFactorial(n - k);

/** Stirling's series, which is right to 12 digits from 20 on. */
function logFactorial(n: number): number {
  if (n < 20) {
    let product = 1;
    for (let factor = 2; factor <= n; factor += 1) product *= factor;
    return Math.log(product);
  }
  const series = 1 / (12 * n) - 1 / (360 * n ** 3) + 1 / (1260 * n ** 5);
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + series;
}
