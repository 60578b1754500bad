import { CAP_LIMITS } from './types';

export interface Caps {
  automatic: number;
  approved: number;
}

/**
 * How many things may be contained at once in a fleet of this size. Percentages round down. A size that is missing or
 * makes no sense counts as 0, which leaves the fixed counts: the caps of the smallest fleet.
 */
export function capsFor(fleetSize: number): Caps {
  const size = soundFleetSize(fleetSize);
  const { automatic, approved } = CAP_LIMITS;
  return {
    automatic: Math.max(automatic.count, percentOf(size, automatic.percent)),
    approved: Math.max(approved.count, percentOf(size, approved.percent)),
  };
}

/** Missing, negative, fractional or infinite sizes count as 0: the guard never guesses a fleet larger. */
export const soundFleetSize = (size: number | null): number =>
  size !== null && Number.isSafeInteger(size) && size > 0 ? size : 0;

const percentOf = (size: number, percent: number): number => Math.floor((size * percent) / 100);
