import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { problemOf } from '../errors';
import { syncFolder } from './sync';

/**
 * Makes a folder, and those that are missing above it, for good. Its name is kept by the folder above: unless that is
 * flushed, a power cut takes the folder away with everything in it, however well that was flushed. Flushed where
 * the folder was there, too, since it may have been made a moment before an end of the agent.
 */
export function makeFolder(folder: string): void {
  const path = resolve(folder);
  const made = mkdirSync(path, { recursive: true });
  const last = dirname(made === undefined ? path : resolve(made));
  let above = path;
  do {
    above = dirname(above);
    // One that may not be read is not ours, and was there before.
    problemOf(() => syncFolder(above));
  } while (above.length > last.length);
}
