import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { codeOf, messageOf } from '../errors';

const CHUNK = 1024 * 1024;
const GUNZIP_CHUNK = 256 * 1024;
/** Header, padding and extended headers that an entry may have beside its content. */
const OVERHEAD = 4 * 1024;
/** No software nests as deep. Each folder costs the kernel a walk through all those above it. */
const MAX_DEPTH = 128;

export interface UnpackLimits {
  /** Bytes of all files together. */
  bytes: number;
  entries: number;
}

export interface UnpackInput {
  artifact: string;
  /** Gzip where it ends in .tar.gz or .tgz, else plain. */
  name: string;
  /** Exists, is empty, and is nobody else's. */
  folder: string;
  limits: UnpackLimits;
}

/** The archive is not one that is ever put in place; names the entry. */
export class UnpackError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnpackError';
  }
}

export function isGzip(name: string): boolean {
  return name.endsWith('.tar.gz') || name.endsWith('.tgz');
}

/** Unpacks a tar of regular files and folders; nothing is written outside the folder, whatever the tar says. */
export async function unpack({ artifact, name, folder, limits }: UnpackInput): Promise<void> {
  const target = new TreeWriter(folder, limits);
  const state = { ended: false };
  const parser = parserInto(target).on('eof', () => (state.ended = true));
  const chunks = isGzip(name) ? gunzipped(artifact) : plain(artifact);
  const most = limits.bytes + limits.entries * OVERHEAD;
  let total = 0;
  try {
    for await (const chunk of chunks) {
      if (total === 0) assertTar(chunk);
      total += chunk.length;
      if (total > most) throw new UnpackError(`${name} unpacks to more than ${most} bytes`);
      parser.write(chunk);
      // It would gather, in memory, all that comes after the end of the archive.
      if (state.ended) break;
      await setImmediate();
    }
    parser.end();
  } catch (error) {
    throw error instanceof UnpackError ? error : new UnpackError(`${name}: ${messageOf(error)}`);
  } finally {
    target.close();
  }
}

function parserInto(target: TreeWriter): Parser {
  const parser = new Parser({ strict: true });
  const refuse = (entry: ReadEntry) => {
    throw new UnpackError(`entry ${entry.path} is a ${entry.type}, not a file or a folder`);
  };
  parser.on('error', (error: Error) => {
    throw error;
  });
  parser.on('ignoredEntry', refuse);
  // The parser would take it for a file of another name, with a map of the holes as its content.
  parser.on('meta', (header: string) => {
    if (/^\d+ GNU\.sparse\./m.test(header))
      throw new UnpackError('an entry is a sparse file: make the archive without --sparse');
  });
  parser.on('entry', (entry: ReadEntry) => {
    if (entry.type === 'Directory') target.folder(entry);
    else if (entry.type === 'File' || entry.type === 'OldFile') target.file(entry);
    else refuse(entry);
  });
  return parser;
}

/** The parser would unpack these by itself, past the limits here. */
function assertTar(start: Buffer): void {
  const magic = start.subarray(0, 4).toString('hex');
  if (magic.startsWith('1f8b') || magic === '28b52ffd')
    throw new UnpackError('the archive is compressed though its name does not say so');
}

/**
 * One buffer for the whole file. The parser keeps no part of it, since a tar consists of blocks of 512 bytes; only
 * what is cut off at the very end is kept, after which nothing is read into it.
 */
async function* plain(path: string): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const filled = fill(file, buffer);
      if (filled > 0) yield buffer.subarray(0, filled);
      if (filled < CHUNK) return;
      await Promise.resolve();
    }
  } finally {
    closeSync(file);
  }
}

function fill(file: number, buffer: Buffer): number {
  let filled = 0;
  while (filled < buffer.length) {
    const read = readSync(file, buffer, filled, buffer.length - filled, null);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

async function* gunzipped(path: string): AsyncGenerator<Buffer> {
  const source = Readable.from(copies(plain(path)));
  const gunzip = createGunzip({ chunkSize: GUNZIP_CHUNK });
  source.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk as Buffer;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** A stream may hold on to a chunk while the next is read. */
async function* copies(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

class TreeWriter {
  private readonly folders = new Set<string>(['']);
  private open: number | null = null;
  private bytes = 0;
  private entries = 0;

  constructor(
    private readonly root: string,
    private readonly limits: UnpackLimits,
  ) {}

  folder(entry: ReadEntry): void {
    const segments = this.admit(entry);
    this.makeFolders(entry.path, segments);
    entry.resume();
  }

  file(entry: ReadEntry): void {
    const segments = this.admit(entry);
    const path = segments.join('/');
    if (path === '') throw new UnpackError(`entry ${entry.path} has no name`);
    this.makeFolders(entry.path, segments.slice(0, -1));
    // Exclusive, so neither an earlier entry is overwritten nor a link followed.
    const file = creating(entry.path, () => openSync(join(this.root, path), 'wx', modeOf(entry)));
    this.open = file;
    entry.on('end', () => this.close());
    entry.on('data', (chunk) => writeAll(file, chunk));
  }

  private admit(entry: ReadEntry): string[] {
    this.entries += 1;
    this.bytes += entry.size;
    if (!Number.isSafeInteger(entry.size) || entry.size < 0)
      throw new UnpackError(`entry ${entry.path} has no size`);
    if (this.entries > this.limits.entries)
      throw new UnpackError(`entry ${entry.path} is one more than ${this.limits.entries} entries`);
    if (this.bytes > this.limits.bytes)
      throw new UnpackError(`entry ${entry.path} exceeds ${this.limits.bytes} unpacked bytes`);
    return segmentsOf(entry.path);
  }

  private makeFolders(entry: string, segments: string[]): void {
    let path = '';
    for (const segment of segments) {
      path = path === '' ? segment : `${path}/${segment}`;
      if (this.folders.has(path)) continue;
      const folder = join(this.root, path);
      creating(entry, () => mkdirSync(folder, 0o755));
      this.folders.add(path);
    }
  }

  close(): void {
    if (this.open !== null) closeSync(this.open);
    this.open = null;
  }
}

function segmentsOf(path: string): string[] {
  const segments = path.split('/');
  if (path.startsWith('/')) throw new UnpackError(`entry ${path} is absolute`);
  if (segments.includes('..')) throw new UnpackError(`entry ${path} leads out of the archive`);
  const kept = segments.filter((segment) => segment !== '' && segment !== '.');
  if (kept.length > MAX_DEPTH)
    throw new UnpackError(`entry ${path.slice(0, 256)} is deeper than ${MAX_DEPTH} folders`);
  return kept;
}

/** Execution is kept; set-user-id, and writing by others, are not. */
function modeOf({ mode = 0o644 }: ReadEntry): number {
  return (mode & 0o755) | 0o600;
}

function creating<T>(entry: string, create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new UnpackError(`entry ${entry} is there twice`);
    throw error;
  }
}

function writeAll(file: number, chunk: Buffer): void {
  for (let at = 0; at < chunk.length;)
    at += writeSync(file, chunk, at, Math.min(CHUNK, chunk.length - at));
}
