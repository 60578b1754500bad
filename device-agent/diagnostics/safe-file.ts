import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { codeOf } from '../errors';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Linux: names a file without opening it, so that a device is not set going and a FIFO not waited for. */
const O_PATH = 0o10_000_000;

/** Nothing was read; the message says why, without a path. */
export class SkippedError extends Error {
  constructor(readonly why: string) {
    super(why);
    this.name = 'SkippedError';
  }
}

/**
 * The path of an entry of an opened folder: it goes through the descriptor, as openat(2) does, so that whoever
 * renames folders or puts symlinks in their place meanwhile changes nothing.
 */
export function entryPath(folder: FileHandle, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${folder.fd}/`), name]);
}

export interface Found {
  handle: FileHandle;
  kind: 'file' | 'folder';
  size: number;
  mode: number;
  mtime: Date;
  /** Number of the file system. */
  dev: number;
}

/** Opens a regular file or a folder of an opened folder; SkippedError for all else, symlinks among it. */
export async function openEntry(folder: FileHandle, name: Buffer): Promise<Found> {
  const named = await opened(entryPath(folder, name), O_PATH | O_NOFOLLOW);
  try {
    const stat = await named.stat();
    if (stat.isSymbolicLink()) throw new SkippedError('a symlink');
    if (!stat.isFile() && !stat.isDirectory()) throw new SkippedError(kindOf(stat));
    const kind = stat.isFile() ? 'file' : 'folder';
    const flags = kind === 'file' ? O_RDONLY | O_NONBLOCK : O_RDONLY | O_DIRECTORY;
    // Through the descriptor: the very inode that was looked at.
    const handle = await opened(Buffer.from(`/proc/self/fd/${named.fd}`), flags);
    const { size, mode, mtime, dev } = stat;
    return { handle, kind, size, mode, mtime, dev };
  } finally {
    await named.close();
  }
}

/** Opens what an absolute path names, step by step from `/`, with no symlink anywhere on the way. */
export async function openPath(path: string): Promise<Found> {
  const steps = path.split('/').filter((step) => step !== '' && step !== '.');
  if (!path.startsWith('/') || steps.includes('..'))
    throw new SkippedError('no plain absolute path');
  const handle = await opened(Buffer.from('/'), O_RDONLY | O_DIRECTORY);
  const { size, mode, mtime, dev } = await handle.stat();
  let found: Found = { handle, kind: 'folder', size, mode, mtime, dev };
  for (const step of steps) {
    const above = found.handle;
    try {
      if (found.kind !== 'folder') throw new SkippedError('a part of its path is no folder');
      found = await openEntry(above, Buffer.from(step));
    } finally {
      await above.close();
    }
  }
  return found;
}

export async function openFile(path: string): Promise<Found> {
  const found = await openPath(path);
  if (found.kind === 'file') return found;
  await found.handle.close();
  throw new SkippedError('a folder');
}

/**
 * The bytes from `start` to `end`, which was the size when the file was opened: a file that grows without end ends
 * here, and one that is cut short meanwhile ends before.
 */
export async function* bytesOf(
  file: FileHandle,
  start: number,
  end: number,
): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK, end - start)));
  for (let at = start; at < end;) {
    const wanted = Math.min(buffer.length, end - at);
    const { bytesRead } = await file.read(buffer, 0, wanted, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

const CHUNK = 262_144;

async function opened(path: Buffer, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    const code = codeOf(error) ?? 'unknown error';
    throw new SkippedError(REASONS[code] ?? code);
  }
}

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'it does not exist (any more)',
  EACCES: 'no permission',
  EPERM: 'no permission',
  ELOOP: 'a symlink',
};

interface Kinds {
  isFIFO(): boolean;
  isSocket(): boolean;
}

function kindOf(stat: Kinds): string {
  if (stat.isFIFO()) return 'a FIFO';
  return stat.isSocket() ? 'a socket' : 'a device';
}
