import { seeded } from '../kill-points';
import { crashImage, LOSE_ALL, loseSome, writeImage } from './crash-image';
import type { Disk } from './disk';
import type { Call } from './patched-fs';

/**
 * How the power goes, always at one call. `kill`: before the call, and nothing is lost. `half` and `last`: within a
 * write, of which half, or all but the last byte, is there. `lost`: before the call, and with all that was not
 * synced. `partly`: with any part of it, by the seed.
 */
export type Manner = 'kill' | 'half' | 'last' | 'lost' | 'partly';

export interface Cut {
  /** Which of the calls, from 1. */
  at: number;
  manner: Manner;
  seed: number;
}

/** The manners in which a cut at this call leaves something that no other cut does. */
export function mannersFor(call: Pick<Call, 'op' | 'bytes'>, unsynced: boolean): Manner[] {
  const torn: Manner[] = call.op === 'write' ? tornManners(call.bytes) : [];
  return ['kill', ...torn, ...(unsynced ? (['lost', 'partly'] as const) : [])];
}

/** A write of none of its bytes is a kill before it. */
function tornManners(bytes: number): Manner[] {
  if (bytes < 2) return [];
  return bytes === 2 ? ['half'] : ['half', 'last'];
}

/** What the call leaves of a write. */
export function tear(call: Call, manner: Manner): void {
  if (manner === 'half') call.writePart?.(Math.floor(call.bytes / 2));
  if (manner === 'last') call.writePart?.(call.bytes - 1);
}

/** Makes the folder what the cut leaves of it. To be called with the real functions of `node:fs`. */
export function loseUnsynced(disk: Disk, cut: Cut): void {
  if (cut.manner === 'lost') writeImage(crashImage(disk, LOSE_ALL), disk.path);
  if (cut.manner === 'partly') {
    writeImage(crashImage(disk, loseSome(seeded(cut.seed))), disk.path);
  }
}
