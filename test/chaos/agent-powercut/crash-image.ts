import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  put,
  type Disk,
  type DiskNode,
  type FileNode,
  type FolderChange,
  type FolderNode,
} from './disk';

/** What a power cut leaves, as plain nodes. */
export type Image =
  | { kind: 'file'; data: Buffer; mode: number }
  | { kind: 'link'; target: string }
  | { kind: 'folder'; entries: [string, Image][] };

/** What becomes of that which was not synced. */
export interface Losses {
  /** The folder changes, of those not synced, that reached the medium all the same. */
  kept: (pending: readonly FolderChange[]) => readonly FolderChange[];
  content: (file: FileNode) => Buffer;
}

const EMPTY = Buffer.alloc(0);
const BLOCK = 4_096;

/** All of it is lost; of a file that was never synced, its name may remain, with nothing in it. */
export const LOSE_ALL: Losses = {
  kept: () => [],
  content: (file) => file.synced ?? EMPTY,
};

/**
 * Any part of it may survive: folder changes in the order they were made (as a journal keeps it) or without any
 * order, a file's blocks one by one, its length without its content.
 */
export function loseSome(random: () => number): Losses {
  const ordered = random() < 0.5;
  const share = random();
  return {
    kept: (pending) =>
      ordered
        ? pending.slice(0, Math.floor(random() * (pending.length + 1)))
        : pending.filter(() => random() < share),
    content: (file) => (file.data === file.synced ? file.data : partOf(file, random)),
  };
}

function partOf(file: FileNode, random: () => number): Buffer {
  const { data } = file;
  const before = file.synced ?? EMPTY;
  const chance = random();
  if (chance < 0.25) return before;
  if (chance < 0.4) return data;
  if (chance < 0.55 && (file.truncated || file.synced === null)) return EMPTY;
  if (chance < 0.75 && file.truncated) return data.subarray(0, Math.floor(random() * data.length));
  // The new length, with each block old, new or, where there was none, zero.
  const mixed = Buffer.alloc(data.length);
  if (!file.truncated) before.copy(mixed);
  for (let at = 0; at < data.length; at += BLOCK) {
    if (random() < 0.5) data.copy(mixed, at, at, at + BLOCK);
  }
  return mixed;
}

export function crashImage(disk: Disk, losses: Losses): Image & { kind: 'folder' } {
  const changes = losses.kept(disk.pending);
  const survivors = new Map<FolderNode, Map<string, DiskNode>>();
  for (const { folder, name, node } of changes.flat()) {
    const entries = survivors.get(folder) ?? new Map(folder.synced);
    put(entries, name, node);
    survivors.set(folder, entries);
  }
  return folderImage(disk.top, survivors, losses, new Set());
}

function folderImage(
  folder: FolderNode,
  survivors: ReadonlyMap<FolderNode, Map<string, DiskNode>>,
  losses: Losses,
  above: ReadonlySet<FolderNode>,
): Image & { kind: 'folder' } {
  const within = new Set([...above, folder]);
  const entries = [...(survivors.get(folder) ?? folder.synced)].flatMap(
    ([name, node]): [string, Image][] => {
      if (node.kind === 'folder') {
        return within.has(node) ? [] : [[name, folderImage(node, survivors, losses, within)]];
      }
      if (node.kind === 'link') return [[name, { kind: 'link', target: node.target }]];
      return [[name, { kind: 'file', data: losses.content(node), mode: node.mode }]];
    },
  );
  return { kind: 'folder', entries };
}

/** Makes the folder hold exactly the image. */
export function writeImage(image: Image & { kind: 'folder' }, path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
  writeBelow(image, path);
}

function writeBelow(image: Image & { kind: 'folder' }, path: string): void {
  for (const [name, node] of image.entries) {
    const here = join(path, name);
    if (node.kind === 'link') symlinkSync(node.target, here);
    else if (node.kind === 'file') {
      writeFileSync(here, node.data);
      chmodSync(here, node.mode);
    } else {
      mkdirSync(here);
      writeBelow(node, here);
    }
  }
}
