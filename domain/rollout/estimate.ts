import type { PlannedWave, RolloutSettings } from './types';

/** AWS takes at most so many things as targets of one job. */
export const DIRECT_TARGETS = 100;
/** SearchIndex answers with at most so many things. */
const PAGE = 100;

export interface CallRates {
  createJob: number;
  addThingToThingGroup: number;
  searchIndex: number;
}

export interface Estimate {
  awsCalls: Record<string, number>;
  /** At these rates, without soaks, windows and the devices' own time. */
  estimatedMs: number;
}

/** Calls that a rollout makes for its devices, whichever way is cheaper: a job's targets, or a group above 100 a batch. */
export function estimate(
  waves: readonly Pick<PlannedWave, 'size'>[],
  { inFlight }: Pick<RolloutSettings, 'inFlight'>,
  selected: number,
  rates: CallRates,
): Estimate {
  const batches = waves.map(({ size }) => Math.ceil(size / Math.min(inFlight, size)));
  const jobs = sum(batches);
  const grouped = waves.filter(({ size }) => Math.min(inFlight, size) > DIRECT_TARGETS);
  const adds = sum(grouped.map(({ size }) => size));
  const groups = sum(grouped.map(({ size }) => Math.ceil(size / inFlight)));
  const pages = Math.ceil(selected / PAGE);
  const seconds =
    jobs / rates.createJob + adds / rates.addThingToThingGroup + pages / rates.searchIndex;
  return {
    awsCalls: {
      SearchIndex: pages,
      CreateJob: jobs,
      ...(adds > 0 && {
        CreateThingGroup: groups,
        AddThingToThingGroup: adds,
        DeleteThingGroup: groups,
      }),
    },
    estimatedMs: Math.ceil(seconds * 1_000),
  };
}

/** Most devices that can run a release before the gate has seen a first result of their wave. */
export const worstCaseAtRisk = (
  waves: readonly Pick<PlannedWave, 'size'>[],
  { inFlight }: Pick<RolloutSettings, 'inFlight'>,
): number => Math.max(0, ...waves.map(({ size }) => Math.min(size, inFlight)));

const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0);
