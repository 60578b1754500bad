import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { codeOf, messageOf } from '../errors';
import { DiskFullError, freeBytes, isDiskFull } from './disk-space';

const CHUNK = 1024 * 1024;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** The device's own storage failed; a new connection would not help. */
export class StorageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'StorageError';
  }
}

/**
 * A download as far as it got, with the hash of what it holds. Nothing of it needs to be flushed for safety: after a
 * power cut the hash of the whole file decides, so a flush only saves fetching again.
 */
export class PartFile {
  private readonly file: number;
  private hash: Hash = createHash('sha256');
  /** Bytes that it holds, all of them hashed once `resume` resolved. */
  size = 0;

  constructor(private readonly path: string) {
    this.file = openSync(path, FLAGS, 0o600);
  }

  /** Takes over what an earlier life left, unless it is longer than the whole can be; resolves with its bytes. */
  async resume(length: number, signal: AbortSignal | undefined): Promise<number> {
    const { size } = fstatSync(this.file);
    if (size > length) this.restart();
    else await this.hashTo(size, signal);
    return this.size;
  }

  private async hashTo(end: number, signal: AbortSignal | undefined): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(1, end)));
    while (this.size < end) {
      signal?.throwIfAborted();
      const read = readSync(this.file, buffer, 0, buffer.length, this.size);
      if (read === 0) break;
      this.hash.update(buffer.subarray(0, read));
      this.size += read;
      await setImmediate();
    }
  }

  append(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length;)
        at += writeSync(this.file, chunk, at, Math.min(CHUNK, chunk.length - at), this.size + at);
    } catch (error) {
      throw this.writeFailed(error, chunk.length);
    }
    this.hash.update(chunk);
    this.size += chunk.length;
  }

  private writeFailed(error: unknown, bytes: number): Error {
    if (!isDiskFull(codeOf(error))) return new StorageError(`${this.path}: ${messageOf(error)}`);
    const free = freeBytes(dirname(this.path));
    return new DiskFullError(`${this.path} needs ${bytes} more bytes after ${this.size}`, free);
  }

  restart(): void {
    ftruncateSync(this.file, 0);
    this.hash = createHash('sha256');
    this.size = 0;
  }

  /** Keeps what was fetched so far over a power cut. */
  flush(): void {
    fsyncSync(this.file);
  }

  sha256(): string {
    return this.hash.copy().digest('hex');
  }

  close(): void {
    closeSync(this.file);
  }

  drop(): void {
    unlinkSync(this.path);
  }
}
