import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { createGzip, type Gzip } from 'node:zlib';
import type { Limits } from './limits';
import { BudgetSpentError } from './limits';
import { printable } from './printable';
import { redact } from './redact';

/** What a bundle leaves out and why: it is never silently less than it seems. */
export interface Cut {
  item: number;
  why: string;
}

export interface FinishedBundle {
  /** Of the file as it is uploaded, hex. */
  sha256: string;
  bytes: number;
  lines: number;
  cut: Cut[];
}

type Json =
  string | number | boolean | null | undefined | readonly Json[] | { [key: string]: Json };
export type Line = Record<string, Json>;

/** For the last line, which says what was cut. */
const RESERVED = 65_536;
const MAX_CUTS = 200;

/**
 * A gzip of lines of JSON: the first says whose and what it is, the last how it ended; without a last line it is not
 * whole. Every text in it has been redacted before it is compressed or touches the disk, whoever wrote it.
 */
export class Bundle {
  private readonly gzip: Gzip = createGzip();
  private readonly hash: Hash = createHash('sha256');
  private readonly written: Promise<number>;
  private readonly cuts: Cut[] = [];
  private lines = 0;
  private bytes = 0;

  private constructor(
    private readonly file: FileHandle,
    private readonly limits: Limits,
  ) {
    this.written = this.drain();
    // Seen by `finish`; a failing disk must not be an unhandled rejection before.
    this.written.catch(() => this.gzip.destroy());
  }

  static async create(path: string, limits: Limits): Promise<Bundle> {
    return new Bundle(await open(path, 'wx', 0o600), limits);
  }

  /** Throws BudgetSpentError where the line does not fit any more. */
  async line(line: Line): Promise<void> {
    await this.put(line, this.limits.bytes - RESERVED);
  }

  /** Says that something of an item is not in the bundle. */
  cut(item: number, why: string): void {
    if (this.cuts.length < MAX_CUTS) this.cuts.push({ item, why });
  }

  async finish(): Promise<FinishedBundle> {
    const cut = this.cuts.map(({ item, why }) => ({ item, why: why.slice(0, 256) }));
    await this.put({ kind: 'end', truncated: cut.length > 0, cut, lines: this.lines }, Infinity);
    this.gzip.end();
    const bytes = await this.written;
    await this.file.close();
    return { sha256: this.hash.digest('hex'), bytes, lines: this.lines, cut };
  }

  /** After a failure: nothing is kept open. */
  async abandon(): Promise<void> {
    this.gzip.destroy();
    await this.written.catch(() => undefined);
    await this.file.close().catch(() => undefined);
  }

  private async put(line: Line, limit: number): Promise<void> {
    const text = `${JSON.stringify(cleaned(line))}\n`;
    const size = Buffer.byteLength(text);
    if (this.bytes + size > limit) throw new BudgetSpentError('size');
    this.bytes += size;
    this.lines += 1;
    if (this.gzip.destroyed) await this.written;
    if (!this.gzip.write(text)) await Promise.race([once(this.gzip, 'drain'), this.written]);
  }

  private async drain(): Promise<number> {
    let bytes = 0;
    for await (const chunk of this.gzip) {
      const part = chunk as Buffer;
      this.hash.update(part);
      await this.file.writeFile(part);
      bytes += part.length;
    }
    return bytes;
  }
}

/** Here and not left to the collectors: nothing gets by it. */
function cleaned(value: Json): Json {
  if (typeof value === 'string') return printable(redact(value));
  if (Array.isArray(value)) return value.map(cleaned);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, cleaned(inner)]));
  }
  return value;
}
