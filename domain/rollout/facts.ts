import { compareCohorts, offlineOf, percentOf, unhealthyOf, type CohortDifference } from './cohort';
import type { HealthCounts, Measurement, WaveCounts } from './types';

/**
 * What the rules of a gate can name. Numbers are doubles, so that no division rounds, but for those of the wave.
 * Whatever a measurement does not have is left out: a rule that needs it then has no answer, which is not "no".
 */
export interface Facts {
  wave: { number: bigint; of: bigint; complete: boolean };
  devices: Record<DeviceFact, number>;
  updated?: Record<HealthFact, number>;
  control?: Record<HealthFact, number>;
  cohort?: CohortDifference;
  alarms?: string[];
  metrics: Record<string, number>;
}

/** Names and CEL types, by variable; `metrics` has those of the settings. */
export const FACT_TYPES = {
  wave: { number: 'int', of: 'int', complete: 'bool' },
  devices: {
    size: 'double',
    waiting: 'double',
    queued: 'double',
    inProgress: 'double',
    succeeded: 'double',
    confirmed: 'double',
    failed: 'double',
    silent: 'double',
    unreached: 'double',
    skipped: 'double',
    executed: 'double',
    failedPercent: 'double',
    reachedPercent: 'double',
  },
  updated: healthTypes(),
  control: healthTypes(),
  cohort: {
    worseBy: 'double',
    significant: 'bool',
    offlineBy: 'double',
    offlineSignificant: 'bool',
  },
} as const;

type DeviceFact = keyof (typeof FACT_TYPES)['devices'];
type HealthFact = keyof (typeof FACT_TYPES)['updated'];

function healthTypes() {
  return {
    devices: 'double',
    healthy: 'double',
    degraded: 'double',
    unhealthy: 'double',
    unhealthyPercent: 'double',
    offline: 'double',
    offlinePercent: 'double',
  } as const;
}

export function factsOf(measurement: Measurement, complete: boolean): Facts {
  const { wave, waves, counts, updated, control, alarms, metrics } = measurement;
  return {
    wave: { number: BigInt(wave), of: BigInt(waves), complete },
    devices: deviceFacts(counts),
    ...(updated && { updated: healthFacts(updated) }),
    ...(control && { control: healthFacts(control) }),
    ...(updated && control && { cohort: compareCohorts(updated, control) }),
    ...(alarms && { alarms }),
    metrics: Object.fromEntries(
      Object.entries(metrics).filter((each): each is [string, number] => Number.isFinite(each[1])),
    ),
  };
}

/** Devices that came to an end, good or bad. */
export const executedOf = ({ succeeded, confirmed, failed, silent }: WaveCounts): number =>
  succeeded + confirmed + failed + silent;

/** Devices of a wave that it is about: not left out for another runbook. */
export const consideredOf = ({ size, skipped }: WaveCounts): number => size - skipped;

function deviceFacts(counts: WaveCounts): Facts['devices'] {
  const executed = executedOf(counts);
  const considered = consideredOf(counts);
  return {
    ...counts,
    executed,
    failedPercent: percentOf({ of: executed, bad: counts.failed + counts.silent }) ?? 0,
    reachedPercent: 100 - (percentOf({ of: considered, bad: counts.unreached }) ?? 0),
  };
}

const healthFacts = (counts: HealthCounts): Record<HealthFact, number> => ({
  ...counts,
  unhealthyPercent: percentOf(unhealthyOf(counts)) ?? 0,
  offline: counts.offline ?? 0,
  offlinePercent: percentOf(offlineOf(counts)) ?? 0,
});
