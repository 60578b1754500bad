import { execFile, spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

/** Makes a rename, a new name or a removal in this folder last. */
export function syncFolder(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Everything below the folder is on the disk once this resolves. One `sync -f` writes the whole file system at once,
 * which is several times quicker than flushing file by file; without it, file by file.
 * The first is run beside the event loop, since a slow flash takes many seconds; the second then has little to do.
 * Linux tells of a failed write once: where the first failed, the second proves nothing, and each file is asked for
 * its own.
 */
export async function syncTree(folder: string): Promise<void> {
  const flushed = await new Promise<boolean>((resolve) => {
    execFile('sync', ['-f', folder], (error) => resolve(!error));
  });
  if (!flushed || spawnSync('sync', ['-f', folder]).status !== 0) await syncEach(folder);
}

async function syncEach(folder: string): Promise<void> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncEach(path);
    else if (entry.isFile()) syncFolder(path);
    await setImmediate();
  }
  syncFolder(folder);
}
