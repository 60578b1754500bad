import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** What is written and what would survive a power cut are two things; each node knows both. */
export interface FileNode {
  kind: 'file';
  /** Replaced, never changed, by each write. */
  data: Buffer;
  /** At the last fsync; null before the first. */
  synced: Buffer | null;
  /** Since the last fsync: what was there may be gone though nothing new is. */
  truncated: boolean;
  mode: number;
}
export interface LinkNode {
  kind: 'link';
  target: string;
}
export interface FolderNode {
  kind: 'folder';
  entries: Map<string, DiskNode>;
  /** At the last fsync of this folder. */
  synced: Map<string, DiskNode>;
}
export type DiskNode = FileNode | LinkNode | FolderNode;

/** Of one call, such as a rename, which happens wholly or not at all. */
export type FolderChange = { folder: FolderNode; name: string; node: DiskNode | null }[];

export interface Place {
  folder: FolderNode;
  name: string;
  /** Null where there is nothing. */
  node: DiskNode | null;
}

const MAX_LINKS = 16;

/**
 * A model of all that is below one folder: what a process sees there, and what is surely on the medium. POSIX
 * promises no more than fsync(2) does: a file's content is durable once the file is synced, its name once its folder
 * is, and what is not synced may be lost in any combination.
 */
export class Disk {
  /** Folder changes that are not synced, in order. */
  pending: FolderChange[] = [];

  private constructor(
    readonly path: string,
    readonly top: FolderNode,
  ) {}

  /** All that is there counts as synced. */
  static read(path: string): Disk {
    return new Disk(path, readFolder(path));
  }

  covers(path: string): boolean {
    const inside = relative(this.path, resolve(path));
    return inside !== '..' && !inside.startsWith(`..${sep}`);
  }

  /** Null where a path is not below this disk or leads nowhere; `follow`: through a link at its end, too. */
  locate(path: string, follow: boolean, depth = 0): Place | null {
    if (!this.covers(path) || resolve(path) === this.path || depth > MAX_LINKS) return null;
    const names = relative(this.path, resolve(path)).split(sep);
    let folder = this.top;
    for (const [index, name] of names.entries()) {
      const node = folder.entries.get(name) ?? null;
      const last = index === names.length - 1;
      if (last && !(follow && node?.kind === 'link')) return { folder, name, node };
      if (node?.kind === 'link') {
        const here = join(this.path, ...names.slice(0, index));
        const rest = names.slice(index + 1);
        return this.locate(join(resolve(here, node.target), ...rest), follow, depth + 1);
      }
      if (node?.kind !== 'folder') return null;
      folder = node;
    }
    return null;
  }

  /** The folder itself, this disk's top among them. */
  folderAt(path: string): FolderNode | null {
    if (resolve(path) === this.path) return this.top;
    const node = this.locate(path, true)?.node;
    return node?.kind === 'folder' ? node : null;
  }

  change(change: FolderChange): void {
    for (const { folder, name, node } of change) put(folder.entries, name, node);
    this.pending.push(change);
  }

  sync(node: DiskNode): void {
    if (node.kind === 'file') {
      node.synced = node.data;
      node.truncated = false;
    } else if (node.kind === 'folder') {
      const mine = (change: FolderChange): boolean => change.some(({ folder }) => folder === node);
      for (const change of this.pending.filter(mine)) {
        for (const { folder, name, node: to } of change) put(folder.synced, name, to);
      }
      this.pending = this.pending.filter((change) => !mine(change));
    }
  }

  syncBelow(node: DiskNode): void {
    this.sync(node);
    if (node.kind !== 'folder') return;
    for (const child of node.entries.values()) this.syncBelow(child);
  }

  /** Whether a power cut now could lose anything. */
  get unsynced(): boolean {
    return this.pending.length > 0 || hasUnsyncedData(this.top);
  }

  /** Where the folder differs from this model: something was written past it. */
  differences(): string[] {
    return differencesOf(this.top, readFolder(this.path), '');
  }
}

export function put(entries: Map<string, DiskNode>, name: string, node: DiskNode | null): void {
  if (node === null) entries.delete(name);
  else entries.set(name, node);
}

function readFolder(path: string): FolderNode {
  const entries = new Map<string, DiskNode>();
  for (const name of readdirSync(path).sort()) entries.set(name, readNode(join(path, name)));
  return { kind: 'folder', entries, synced: new Map(entries) };
}

function readNode(path: string): DiskNode {
  const stat = lstatSync(path);
  if (stat.isDirectory()) return readFolder(path);
  if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(path) };
  const data = readFileSync(path);
  return { kind: 'file', data, synced: data, truncated: false, mode: stat.mode & 0o777 };
}

function hasUnsyncedData(folder: FolderNode): boolean {
  return [...folder.entries.values()].some((node) => {
    if (node.kind === 'folder') return hasUnsyncedData(node);
    return node.kind === 'file' && node.data !== node.synced;
  });
}

function differencesOf(model: DiskNode, found: DiskNode, path: string): string[] {
  if (model.kind === 'file' && found.kind === 'file') {
    return model.data.equals(found.data) ? [] : [`${path}: other content`];
  }
  if (model.kind === 'link' && found.kind === 'link') {
    return model.target === found.target ? [] : [`${path}: other target`];
  }
  if (model.kind !== 'folder' || found.kind !== 'folder') return [`${path}: other kind`];
  const names = new Set([...model.entries.keys(), ...found.entries.keys()]);
  return [...names].flatMap((name) => {
    const here = join(path, name);
    const [a, b] = [model.entries.get(name), found.entries.get(name)];
    if (a === undefined) return [`${here}: not in the model`];
    if (b === undefined) return [`${here}: only in the model`];
    return differencesOf(a, b, here);
  });
}

export const parentOf = (path: string): string => dirname(resolve(path));
