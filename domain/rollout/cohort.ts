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
  const weighted = matched.map(({ updated: share, control }) => {
    const scale = (size * share) / updated / control.devices;
    return {
      devices: control.devices * scale,
      healthy: control.healthy * scale,
      degraded: control.degraded * scale,
      unhealthy: control.unhealthy * scale,
    };
  });
  const { degraded, unhealthy, devices } = rounded(sumOf(weighted));
  return { devices, healthy: Math.max(0, devices - degraded - unhealthy), degraded, unhealthy };
}

export const sumOf = (all: readonly HealthCounts[]): HealthCounts =>
  all.reduce(
    (sum, { devices, healthy, degraded, unhealthy }) => ({
      devices: sum.devices + devices,
      healthy: sum.healthy + healthy,
      degraded: sum.degraded + degraded,
      unhealthy: sum.unhealthy + unhealthy,
    }),
    { devices: 0, healthy: 0, degraded: 0, unhealthy: 0 },
  );

const rounded = ({ devices, healthy, degraded, unhealthy }: HealthCounts): HealthCounts => ({
  devices: Math.round(devices),
  healthy: Math.round(healthy),
  degraded: Math.round(degraded),
  unhealthy: Math.round(unhealthy),
});

export interface CohortDifference {
  /** Percentage points by which more of the updated devices are unhealthy; negative where fewer are. */
  worseBy: number;
  /** Worse, and hardly by chance. False where a cohort is too small to tell. */
  significant: boolean;
}

/** The updated devices against those of the same kind that are not updated yet. */
export function compareCohorts(updated: HealthCounts, control: HealthCounts): CohortDifference {
  const smaller = Math.min(updated.devices, control.devices);
  return {
    worseBy: smaller === 0 ? 0 : unhealthyPercent(updated) - unhealthyPercent(control),
    significant: smaller >= MIN_COHORT && chanceOfWorse(updated, control) < SIGNIFICANT,
  };
}

export const unhealthyPercent = ({ devices, unhealthy }: HealthCounts): number =>
  devices === 0 ? 0 : (unhealthy * 100) / devices;

/**
 * Fisher's exact test, one-sided: the chance that so many of the unhealthy devices, or more, are among the updated
 * ones where the update has nothing to do with it. Exact for small cohorts, where a normal approximation is not.
 * https://en.wikipedia.org/wiki/Fisher%27s_exact_test
 */
export function chanceOfWorse(updated: HealthCounts, control: HealthCounts): number {
  const drawn = updated.devices;
  const all = drawn + control.devices;
  const marked = updated.unhealthy + control.unhealthy;
  const most = Math.min(drawn, marked);
  // Not worse than expected: no need to know by how much.
  if (updated.unhealthy * all <= marked * drawn) return 1;
  const whole = logChoose(all, drawn);
  let term = Math.exp(
    logChoose(marked, updated.unhealthy) +
      logChoose(all - marked, drawn - updated.unhealthy) -
      whole,
  );
  let sum = term;
  // Beyond what is expected each term is smaller than the one before.
  for (let x = updated.unhealthy; x < most && term > sum * Number.EPSILON; x += 1) {
    term *= ((marked - x) * (drawn - x)) / ((x + 1) * (all - marked - drawn + x + 1));
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
