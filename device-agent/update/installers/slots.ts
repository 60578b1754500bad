import { lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { codeOf, parseJson } from '../../errors';
import { writeFileAtomically } from '../../state/atomic-file';
import { emptyFolder } from '../../state/remove-tree';
import { syncFolder, syncTree } from '../../state/sync';
import { assertSpace } from '../disk-space';
import { installedRelease, releaseOf } from '../installed-release';
import type { InstalledRelease, Installer, Slot, VerifiedTarget } from '../types';
import { isGzip, unpack } from '../unpack';
import { isFolder, pointLink, readLink, removeIfThere, type SlotName } from './slot-links';

const MAX_ENTRIES = 200_000;
/** Software rarely compresses by more; what does is shipped as a plain tar. */
const GZIP_RATIO = 8;
const MIB = 1024 * 1024;

/**
 * Two folders, `a` and `b`, each with the software in `root/` and, once that is complete and on the disk, what it is
 * in `release.json`. The links `active` and `confirmed` say which one is started and which one was proven good.
 * Neither of those two is ever written.
 */
export function createSlotsInstaller({ dir }: { dir: string }): Installer {
  const slots = new Slots(dir);
  return {
    restarts: 'application',
    active: () => settled(() => slots.describe(slots.links().active)),
    confirmed: () => settled(() => slots.describe(slots.links().confirmed)),
    spaceNeeded: async (target) =>
      Math.max(0, unpackedLimit(target) - (await bytesBelow(slots.rootOf(slots.spare())))),
    install: async (artifact, target) => await slots.install(artifact, target),
    activate: () => settled(() => slots.activate()),
    confirm: () => settled(() => slots.confirm()),
    revert: () => settled(() => slots.revert()),
    discard: async () => await slots.empty(slots.spare()),
  };
}

// Everything here is synchronous; what it throws must reach the caller as a rejection.
function settled<T>(act: () => T): Promise<T> {
  return new Promise((resolve) => resolve(act()));
}

class Slots {
  constructor(private readonly dir: string) {}

  /** Both links, put right where they are missing or lead nowhere. */
  links(): { active: SlotName; confirmed: SlotName } {
    this.prepare();
    const active = this.usable('active');
    const confirmed = this.usable('confirmed');
    const good = confirmed ?? active ?? this.fallback();
    if (confirmed === null) pointLink(this.dir, 'confirmed', good);
    // An unconfirmed slot is active only once it is complete: else it is damaged.
    const runs = active === null || (active !== good && this.read(active) === null) ? good : active;
    if (runs !== active) pointLink(this.dir, 'active', runs);
    return { active: runs, confirmed: good };
  }

  private prepare(): void {
    const missing = [this.rootOf('a'), this.rootOf('b')].filter((folder) => !isFolder(folder));
    // Only at the first use: later, a folder that is gone must not be taken for an empty slot.
    if (missing.length === 0 || readLink(this.dir, 'active') !== null) return;
    for (const folder of missing) mkdirSync(folder, { recursive: true });
    for (const folder of [join(this.dir, 'a'), join(this.dir, 'b'), this.dir]) syncFolder(folder);
  }

  private usable(link: string): SlotName | null {
    const slot = readLink(this.dir, link);
    return slot !== null && isFolder(this.rootOf(slot)) ? slot : null;
  }

  /** Both links are lost. A slot that says what it is, is complete; one that doesn't may be half-written. */
  private fallback(): SlotName {
    const [a, b] = [this.read('a'), this.read('b')];
    return b !== null && (a === null || b.release > a.release) ? 'b' : 'a';
  }

  /** The slot that may be written: neither active nor confirmed. */
  spare(): SlotName {
    const { active, confirmed } = this.links();
    if (active !== confirmed)
      throw new Error(`slot ${active} is on trial and ${confirmed} is where it reverts to`);
    return active === 'a' ? 'b' : 'a';
  }

  rootOf(slot: SlotName): string {
    return join(this.dir, slot, 'root');
  }

  describe(slot: SlotName): Slot {
    return { name: slot, installed: this.read(slot) };
  }

  /** Null where the slot was not installed by an update, or not to its end. */
  private read(slot: SlotName): InstalledRelease | null {
    try {
      const text = readFileSync(join(this.dir, slot, 'release.json'), 'utf8');
      return installedRelease.safeParse(parseJson(text)).data ?? null;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
  }

  /** The mark goes first and for good, so that no power cut leaves it beside software that is going. */
  async empty(slot: SlotName): Promise<void> {
    const folder = join(this.dir, slot);
    mkdirSync(folder, { recursive: true });
    removeIfThere(join(folder, 'release.json'));
    syncFolder(folder);
    const root = lstatSync(this.rootOf(slot), { throwIfNoEntry: false });
    if (root !== undefined && !root.isDirectory()) removeIfThere(this.rootOf(slot));
    if (root?.isDirectory() !== true) mkdirSync(this.rootOf(slot));
    await emptyFolder(this.rootOf(slot));
  }

  /**
   * The artifact is gone afterwards: removed before the flush, which then need not write it. A cut in between costs
   * a download, as does one a little earlier that loses what was not flushed yet.
   */
  async install(artifact: string, target: VerifiedTarget): Promise<void> {
    const slot = this.spare();
    const release = releaseOf(target);
    if (JSON.stringify(this.read(slot)) !== JSON.stringify(release)) {
      await this.empty(slot);
      const bytes = unpackedLimit(target);
      const folder = this.rootOf(slot);
      if (!isGzip(target.name)) assertSpace(folder, bytes, `installing ${target.name}`);
      const limits = { bytes, entries: MAX_ENTRIES };
      await unpack({ artifact, name: target.name, folder, limits });
      removeIfThere(artifact);
      await syncTree(join(this.dir, slot));
      if (this.spare() !== slot) throw new Error(`slot ${slot} became active while it was written`);
      writeFileAtomically(join(this.dir, slot, 'release.json'), JSON.stringify(release));
    }
    removeIfThere(artifact);
  }

  /** Done before, where a slot is on trial already. */
  activate(): void {
    const { active, confirmed } = this.links();
    if (active !== confirmed) return;
    const slot = this.spare();
    if (this.read(slot) === null) throw new Error(`slot ${slot} is not complete`);
    pointLink(this.dir, 'active', slot);
  }

  confirm(): void {
    const { active, confirmed } = this.links();
    if (active !== confirmed) pointLink(this.dir, 'confirmed', active);
  }

  revert(): void {
    const { active, confirmed } = this.links();
    if (active !== confirmed) pointLink(this.dir, 'active', confirmed);
  }
}

/** Bytes of the files, which a plain tar can't exceed. */
function unpackedLimit({ name, length }: VerifiedTarget): number {
  return isGzip(name) ? length * GZIP_RATIO + MIB : length;
}

/** What is there goes first, so it counts as room. */
async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  if (!isFolder(folder)) return 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory()
      ? await bytesBelow(path)
      : (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }
  await setImmediate();
  return bytes;
}
