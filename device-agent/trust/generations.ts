import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { problemOf } from '../errors';
import { makeFolder } from '../state/make-folder';
import { syncFolder } from '../state/sync';

/**
 * Numbered folders `<dir>/<name>.<n>`, one of which the symlink `<dir>/<name>` makes current by one rename. A folder
 * is whole and on the disk before it becomes current and never written afterwards, so a power cut leaves the old
 * content or the new.
 */
export class Generations {
  constructor(
    private readonly dir: string,
    /** Of the symlink. */
    private readonly name: string,
  ) {}

  /** All there are, the newest first; the current one among them or, after damage, not. */
  list(): number[] {
    return readdirSync(this.dir)
      .map((entry) => this.numberOf(entry))
      .filter((number) => number !== null)
      .sort((a, b) => b - a);
  }

  /** Null where the symlink is missing or leads nowhere. */
  current(): number | null {
    const number = this.numberOf(this.linked());
    return number !== null && this.list().includes(number) ? number : null;
  }

  folder(number: number): string {
    return `${this.link}.${number}`;
  }

  /**
   * To be called first. A folder in the symlink's place, as a backup that follows symlinks leaves it, becomes a
   * generation.
   */
  prepare(): void {
    makeFolder(this.dir);
    const found = lstatSync(this.link, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) renameSync(this.link, this.folder(this.next()));
  }

  /** A new folder with these files, not on the disk yet, for `use`. */
  create(files: ReadonlyMap<string, Buffer>): number {
    const number = this.next();
    mkdirSync(this.folder(number));
    for (const [file, content] of files) writeFile(join(this.folder(number), file), content);
    return number;
  }

  /** Makes a folder current, with one more file, and removes the others. */
  use(number: number, file: string, content: Buffer): void {
    const folder = this.folder(number);
    writeFile(join(folder, file), content);
    for (const entry of readdirSync(folder)) syncFolder(join(folder, entry));
    syncFolder(folder);
    const link = `${this.link}.new`;
    problemOf(() => unlinkSync(link));
    symlinkSync(this.nameOf(number), link);
    renameSync(link, this.link);
    syncFolder(this.dir);
    this.keepOnly([number]);
  }

  keepOnly(kept: readonly number[]): void {
    for (const number of this.list()) {
      if (!kept.includes(number)) this.remove(number);
    }
  }

  /** What can't be removed takes space and does no harm. */
  remove(number: number): void {
    problemOf(() => removeFolder(this.folder(number)));
  }

  /** Files of a folder by name, damaged ones and all; those that can't be read are left out. */
  read(number: number, wanted: (file: string) => boolean): Map<string, Buffer> {
    const files = new Map<string, Buffer>();
    const folder = this.folder(number);
    const readAll = (): void => {
      for (const file of readdirSync(folder).filter(wanted))
        problemOf(() => files.set(file, readFileSync(join(folder, file))));
    };
    problemOf(readAll);
    return files;
  }

  private get link(): string {
    return join(this.dir, this.name);
  }

  private linked(): string {
    try {
      return readlinkSync(this.link);
    } catch {
      return '';
    }
  }

  private next(): number {
    return (this.list()[0] ?? 0) + 1;
  }

  private nameOf(number: number): string {
    return `${this.name}.${number}`;
  }

  private numberOf(entry: string): number | null {
    const suffix = entry.startsWith(`${this.name}.`) ? entry.slice(this.name.length + 1) : '';
    return /^[1-9]\d{0,14}$/.test(suffix) ? Number(suffix) : null;
  }
}

function writeFile(path: string, content: Buffer): void {
  const file = openSync(path, 'w', 0o600);
  try {
    for (let at = 0; at < content.length;) at += writeSync(file, content, at);
  } finally {
    closeSync(file);
  }
}

function removeFolder(folder: string): void {
  if (lstatSync(folder).isDirectory()) {
    for (const entry of readdirSync(folder)) unlinkSync(join(folder, entry));
    rmdirSync(folder);
  } else unlinkSync(folder);
}
