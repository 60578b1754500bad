import { readlinkSync, renameSync, statSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../errors';
import { syncFolder } from '../../state/sync';

export type SlotName = 'a' | 'b';

/** Points a link at a slot by one rename, and flushes the folder, without which it may be lost. */
export function pointLink(dir: string, link: string, slot: SlotName): void {
  const path = join(dir, link);
  const fresh = `${path}.new`;
  removeIfThere(fresh);
  symlinkSync(slot, fresh);
  renameSync(fresh, path);
  syncFolder(dir);
}

/** Null where the link is missing or is anything else than a link to a slot. */
export function readLink(dir: string, link: string): SlotName | null {
  try {
    const slot = readlinkSync(join(dir, link));
    return slot === 'a' || slot === 'b' ? slot : null;
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes(codeOf(error) ?? '')) return null;
    throw error;
  }
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
