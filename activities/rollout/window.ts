import { nextOpening } from '../../domain/rollout/windows';
import type { PlannedDevice, RolloutSettings } from '../../domain/rollout/types';

/** For many devices of few time zones. Now, where no window holds: an emergency does not wait. */
export function openingsOf(
  { window, emergency }: RolloutSettings,
  now: number,
): (device: PlannedDevice) => number {
  if (window === null || emergency) return () => now;
  const known = new Map<string | undefined, number>();
  return ({ timezone }) => {
    const opensAt = known.get(timezone) ?? nextOpening(window, timezone, now);
    known.set(timezone, opensAt);
    return opensAt;
  };
}
