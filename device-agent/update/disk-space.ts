import { statSync, statfsSync } from 'node:fs';

/** Bytes that an ordinary user may still write. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Throws where it is clear beforehand that it will not fit, instead of filling up the disk of a running device. */
export function assertSpace(folder: string, bytes: number, purpose: string): void {
  const free = freeBytes(folder);
  if (bytes > free) throw new DiskFullError(`${purpose} needs ${bytes} bytes in ${folder}`, free);
}

export function sameFileSystem(left: string, right: string): boolean {
  return statSync(left).dev === statSync(right).dev;
}

export function isDiskFull(code: string | null): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export class DiskFullError extends Error {
  constructor(need: string, free: number) {
    super(`the disk is full: ${need}, ${free} are free`);
    this.name = 'DiskFullError';
  }
}
