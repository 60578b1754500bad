import type { OperationOutcome } from '../operations/types';
import type { CurrentUpdate } from './update-journal';
import type { Floor, Installer, Slot, VerifiedTarget } from './types';

/** Null where the update leaves none: it was set aside, and begins anew if its job is offered again. */
export function outcomeOf(
  { target, from, failure, startedAt }: CurrentUpdate,
  active: Slot | null,
  now: Date,
): OperationOutcome | null {
  if (failure?.status === 'withdrawn') return null;
  const seconds = Math.max(0, Math.round((now.getTime() - Date.parse(startedAt)) / 1_000));
  const details = {
    version: target.release.version,
    release: String(target.release.release),
    from: from.version,
    slot: active?.name ?? 'unknown',
    took: `${Number.isNaN(seconds) ? 0 : seconds} s`,
  };
  if (failure === null) return { status: 'SUCCEEDED', details };
  const { status, step, reason } = failure;
  return { status, details: { ...details, step, reason } };
}

/** Whether the slot holds this very artifact, as this release. */
export function holds(slot: Slot, target: VerifiedTarget): boolean {
  const { installed } = slot;
  return (
    installed !== null &&
    installed.sha256 === target.sha256 &&
    installed.release === target.release.release
  );
}

/** The slot that runs now. */
export const runningSlot = (installer: Installer): Promise<Slot> =>
  installer.booted?.() ?? installer.active();

export function floorOf({ installed }: Slot): Floor {
  const { release, securityEpoch } = installed ?? { release: 0, securityEpoch: 0 };
  return { release, securityEpoch };
}
