import type { ReleaseTarget } from '../../domain/device-protocol/release-target';

/** An artifact as the update repository's offline keys signed it. */
export interface VerifiedTarget {
  /** TUF target path. */
  name: string;
  /** Bytes. */
  length: number;
  /** Lower-case hex. */
  sha256: string;
  /** Where the artifact is fetched from. */
  url: string;
  release: ReleaseTarget;
}

/**
 * The reason an update can never be taken, however often it is tried: unsigned, expired, wrong hardware, older.
 * The job is REJECTED with it, which AWS Jobs does not retry; every other error is FAILED.
 */
export class UpdateRefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UpdateRefusedError';
  }
}

/** What is written in a slot beside the software. */
export interface InstalledRelease {
  target: string;
  sha256: string;
  version: string;
  release: number;
  securityEpoch: number;
}

/** Never falls: neither a revert nor a damaged file lowers it. */
export interface Floor {
  release: number;
  securityEpoch: number;
}

export interface Slot {
  /** `a` or `b`; RAUC's slot name. */
  name: string;
  /** Null for the factory image, which no update has installed. */
  installed: InstalledRelease | null;
}

/**
 * How a device's software is put in place: two slots, of which the running one is never written. Each step is safe
 * to repeat, because a power cut may come before, within or after it.
 */
export interface Installer {
  /** The slot that is started from now on. */
  active(): Promise<Slot>;
  /** Where the device restarts: the slot that it runs from until then. Left out where that is the active one. */
  booted?(): Promise<Slot>;
  /** The slot that was last proven good: where `revert` leads. */
  confirmed(): Promise<Slot>;
  /** Bytes that `install` needs on disk for this target, beyond the artifact itself. */
  spaceNeeded(target: VerifiedTarget): Promise<number>;
  /** Puts a verified artifact in the slot that is not active, synced to disk; whatever was there is gone first. */
  install(artifact: string, target: VerifiedTarget): Promise<void>;
  /** One atomic step: what `install` put in place is started from now on. */
  activate(): Promise<void>;
  /** The active slot is good. */
  confirm(): Promise<void>;
  /** One atomic step: the confirmed slot is started from now on. */
  revert(): Promise<void>;
  /** Drops what the slot that is not active holds. */
  discard(): Promise<void>;
  /** What must start anew for `activate` or `revert` to take effect. */
  readonly restarts: 'application' | 'device';
}

/** The update repository, as TUF verifies it. */
export interface Trust {
  /**
   * Refreshes the metadata and looks a target up. Rejects with UpdateRefusedError where the metadata is wrong
   * (unsigned, expired, rolled back, mixed, oversized) or does not list the target, with another error where it
   * can't be reached.
   */
  target(name: string): Promise<VerifiedTarget>;
}
