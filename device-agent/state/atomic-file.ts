import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder';

/**
 * Replaces a file so that a power cut leaves either the old content or the new, never a part: written beside it,
 * flushed, renamed over it, and the folder flushed, without which the rename itself may be lost.
 */
export function writeFileAtomically(path: string, content: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) makeFolder(folder);
  const temporary = `${path}.tmp`;
  withFile(temporary, 'w', (file) => {
    writeAll(file, Buffer.from(content));
    fsyncSync(file);
  });
  renameSync(temporary, path);
  withFile(folder, 'r', fsyncSync);
}

/** On a disk that is nearly full a write takes what fits and says so only by its result; the next one fails. */
function writeAll(file: number, content: Buffer): void {
  for (let at = 0; at < content.length;) at += writeSync(file, content, at);
}

function withFile(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags, 0o600);
  try {
    use(file);
  } finally {
    closeSync(file);
  }
}
