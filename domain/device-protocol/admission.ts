import type { ReleaseTarget } from './release-target';

/** Where a device stands in the order of releases. */
export interface ReleasePosition {
  release: number;
  securityEpoch: number;
}

export interface AdmittingDevice {
  /** As the device's own configuration says, never the job. */
  hardware: string;
  /** Null for the factory image, which no update has installed. */
  running: ReleasePosition | null;
  /** The highest that was ever committed; never falls. */
  floor: ReleasePosition;
}

export type Admission = { admitted: true } | { admitted: false; reason: string };

/**
 * Whether a device may take a release, whatever the job says: the offline keys signed the target, the device knows
 * the rest. `release` only ever rises, reverts included, so that no old signed artifact can be brought back; asking
 * for the very artifact that runs is settled before this. What the offline keys have not signed to go back to
 * can't be gone back to: a revert target carries old bytes under a higher release, and only for the release it names.
 */
export function admit(
  target: ReleaseTarget,
  { hardware, running, floor }: AdmittingDevice,
): Admission {
  if (!target.hardware.includes(hardware)) {
    return refused(
      `${target.version} is for hardware ${target.hardware.join(', ')}, this device is ${hardware}`,
    );
  }
  if (target.securityEpoch < floor.securityEpoch) {
    return refused(
      `${target.version} has security epoch ${target.securityEpoch}, below ${floor.securityEpoch}, which this device has committed to`,
    );
  }
  if (running !== null && target.release <= running.release) {
    return refused(
      `${target.version} is release ${target.release}, not above ${running.release}, which this device runs`,
    );
  }
  if (target.release <= floor.release) {
    return refused(
      `${target.version} is release ${target.release}, not above ${floor.release}, which this device has committed before`,
    );
  }
  const { minimumRelease = 0 } = target;
  if ((running?.release ?? 0) < minimumRelease) {
    return refused(
      `${target.version} needs release ${minimumRelease} or later to run first, this device runs ${running === null ? 'its factory image' : `release ${running.release}`}`,
    );
  }
  if (target.reverts !== undefined && target.reverts !== running?.release) {
    const runs = running === null ? 'its factory image' : `release ${running.release}`;
    return refused(
      `${target.version} reverts release ${target.reverts} alone, this device runs ${runs}`,
    );
  }
  return { admitted: true };
}

const refused = (reason: string): Admission => ({ admitted: false, reason });
