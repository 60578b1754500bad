import fs from 'node:fs';
import { resolve } from 'node:path';
import {
  parentOf,
  type Disk,
  type DiskNode,
  type FileNode,
  type FolderChange,
  type Place,
} from './disk';

export type Operation =
  | 'create'
  | 'truncate'
  | 'write'
  | 'fsync'
  | 'sync'
  | 'rename'
  | 'unlink'
  | 'symlink'
  | 'mkdir'
  | 'rmdir';

/** One call that changes something below the disk, about to be made. */
export interface Call {
  op: Operation;
  path: string;
  /** Of a write. */
  bytes: number;
  /** Of a write: makes it with the first so many bytes only. */
  writePart: ((bytes: number) => void) | null;
}

/** What it throws, whoever called the file system gets. */
export type OnCall = (call: Call) => void;

interface OpenFile {
  node: DiskNode;
  path: string;
  position: number;
  append: boolean;
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_EXCL, O_APPEND, O_NOFOLLOW } = fs.constants;
const FLAGS: Record<string, number> = {
  r: O_RDONLY,
  'r+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  a: O_WRONLY | O_CREAT | O_APPEND,
};

/** Calls that succeed without changing anything, or fail, are made and not told. */
export class PatchedFs {
  private readonly files = new Map<number, OpenFile>();

  constructor(
    private readonly real: typeof fs,
    /** Null where the caller is none of those whose calls count. */
    private readonly current: () => Disk | null,
    private readonly onCall: OnCall,
    /** Calls that a disk only says it has made, which is for showing that it would be noticed. */
    private readonly lies: readonly Operation[],
  ) {}

  inside(path: unknown): path is string {
    return typeof path === 'string' && this.current()?.covers(path) === true;
  }

  isOpen(fd: unknown): boolean {
    return typeof fd === 'number' && this.files.has(fd);
  }

  openSync = (path: string, flags: string | number = 'r', mode?: number): number => {
    const bits = typeof flags === 'number' ? flags : FLAGS[flags];
    if (bits === undefined || !this.inside(path)) return this.real.openSync(path, flags, mode);
    const place = this.locate(path, (bits & O_NOFOLLOW) === 0);
    const node = place === null ? (this.current()?.folderAt(path) ?? null) : place.node;
    return this.opened(path, bits, mode, place, node);
  };

  private opened(
    path: string,
    bits: number,
    mode: number | undefined,
    place: Place | null,
    found: DiskNode | null,
  ): number {
    const has = (flag: number): boolean => (bits & flag) !== 0;
    const creates = place !== null && found === null && has(O_CREAT);
    const file = found?.kind === 'file' && !has(O_EXCL) ? found : null;
    const truncates = file !== null && file.data.length > 0 && has(O_TRUNC);
    if (creates) this.tell('create', path);
    if (truncates) this.tell('truncate', path);
    const fd = this.real.openSync(path, bits, mode);
    const node = creates ? this.create(place, this.real.fstatSync(fd).mode) : found;
    if (truncates) resize(file, 0);
    if (node !== null) this.files.set(fd, { node, path, position: 0, append: has(O_APPEND) });
    return fd;
  }

  private create({ folder, name }: Place, mode: number): FileNode {
    const data = Buffer.alloc(0);
    const node: FileNode = {
      kind: 'file',
      data,
      synced: null,
      truncated: false,
      mode: mode & 0o777,
    };
    this.change([{ folder, name, node }]);
    return node;
  }

  closeSync = (fd: number): void => {
    this.files.delete(fd);
    this.real.closeSync(fd);
  };

  writeSync = (fd: number, data: string | NodeJS.ArrayBufferView, ...rest: unknown[]): number => {
    const file = this.files.get(fd);
    if (file?.node.kind !== 'file') {
      return (this.real.writeSync as (...all: unknown[]) => number)(fd, data, ...rest);
    }
    const text = typeof data === 'string';
    const [first, length, third] = rest as [number?, number?, number?];
    const whole = bytesOf(data);
    const start = text ? 0 : (first ?? 0);
    const bytes = text ? whole : whole.subarray(start, start + (length ?? whole.length - start));
    return this.write(fd, file, file.node, bytes, (text ? first : third) ?? null);
  };

  private write(
    fd: number,
    file: OpenFile,
    node: FileNode,
    bytes: Buffer,
    at: number | null,
  ): number {
    const apply = (data: Buffer): number => {
      const start = file.append ? node.data.length : (at ?? file.position);
      const written = data.length === 0 ? 0 : this.real.writeSync(fd, data, 0, data.length, at);
      const after = Buffer.alloc(Math.max(node.data.length, start + written));
      node.data.copy(after);
      data.copy(after, start, 0, written);
      node.data = after;
      if (at === null) file.position = start + written;
      return written;
    };
    const writePart = (count: number): void => void apply(bytes.subarray(0, count));
    this.onCall({ op: 'write', path: file.path, bytes: bytes.length, writePart });
    return apply(bytes);
  }

  ftruncateSync = (fd: number, length = 0): void => {
    const file = this.files.get(fd);
    const act = (): void => this.real.ftruncateSync(fd, length);
    if (file?.node.kind === 'file') this.truncate(file.node, file.path, length, act);
    else act();
  };

  truncateSync = (path: string, length = 0): void => {
    const node = this.inside(path) ? this.locate(path, true)?.node : null;
    const act = (): void => this.real.truncateSync(path, length);
    if (node?.kind === 'file') this.truncate(node, path, length, act);
    else act();
  };

  private truncate(node: FileNode, path: string, length: number, act: () => void): void {
    if (node.data.length !== length) this.tell('truncate', path);
    act();
    resize(node, length);
  }

  fsyncSync = (fd: number): void => this.sync(fd, this.real.fsyncSync);
  fdatasyncSync = (fd: number): void => this.sync(fd, this.real.fdatasyncSync);

  private sync(fd: number, act: (fd: number) => void): void {
    const file = this.files.get(fd);
    if (file !== undefined) this.tell('fsync', file.path);
    act(fd);
    if (file !== undefined && !this.lies.includes('fsync')) this.current()?.sync(file.node);
  }

  /** `sync -f`, of which only what is below the folder counts, for a device may have several file systems. */
  syncFileSystem(path: string): boolean {
    const folder = this.current()?.folderAt(path) ?? null;
    if (folder === null) return false;
    this.tell('sync', path);
    if (!this.lies.includes('sync')) this.current()?.syncBelow(folder);
    return true;
  }

  renameSync = (from: string, to: string): void => {
    const [source, target] = [this.locate(from, false), this.locate(to, false)];
    const moves = source !== null && source.node !== null && target !== null;
    if (moves) this.tell('rename', to);
    this.real.renameSync(from, to);
    if (!moves) return;
    const { folder, name, node } = source;
    this.change([
      { folder, name, node: null },
      { folder: target.folder, name: target.name, node },
    ]);
  };

  unlinkSync = (path: string): void => this.remove('unlink', path, this.real.unlinkSync);
  rmdirSync = (path: string): void => this.remove('rmdir', path, this.real.rmdirSync);

  private remove(op: 'unlink' | 'rmdir', path: string, act: (path: string) => void): void {
    const place = this.locate(path, false);
    const node = place?.node ?? null;
    const full = node?.kind === 'folder' && node.entries.size > 0;
    const removes = node !== null && !full && (op === 'rmdir') === (node.kind === 'folder');
    if (removes) this.tell(op, path);
    act(path);
    if (place !== null && removes) {
      this.change([{ folder: place.folder, name: place.name, node: null }]);
    }
  }

  symlinkSync = (target: string, path: string, type?: fs.symlink.Type | null): void => {
    const place = this.locate(path, false);
    if (place !== null && place.node === null) this.tell('symlink', path);
    this.real.symlinkSync(target, path, type);
    if (place === null) return;
    this.change([{ folder: place.folder, name: place.name, node: { kind: 'link', target } }]);
  };

  /** One folder; undefined where it was there. */
  makeFolder(path: string, mode: number | undefined): void {
    const place = this.locate(path, false);
    if (place !== null && place.node === null) this.tell('mkdir', path);
    this.real.mkdirSync(path, mode);
    if (place === null) return;
    const node: DiskNode = { kind: 'folder', entries: new Map(), synced: new Map() };
    this.change([{ folder: place.folder, name: place.name, node }]);
  }

  /** The missing ones above it, too; answers the first that was made. */
  makeFolders(path: string, mode: number | undefined): string | undefined {
    if (this.real.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      return undefined;
    }
    const above = this.makeFolders(parentOf(path), mode);
    this.makeFolder(path, mode);
    return above ?? resolve(path);
  }

  private locate(path: string, follow: boolean): Place | null {
    return this.current()?.locate(path, follow) ?? null;
  }

  private change(change: FolderChange): void {
    this.current()?.change(change);
  }

  private tell(op: Operation, path: string): void {
    this.onCall({ op, path, bytes: 0, writePart: null });
  }
}

function resize(node: FileNode, length: number): void {
  node.truncated ||= length < node.data.length;
  const data = Buffer.alloc(length);
  node.data.copy(data);
  node.data = data;
}

const bytesOf = (data: string | NodeJS.ArrayBufferView): Buffer =>
  typeof data === 'string'
    ? Buffer.from(data)
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
