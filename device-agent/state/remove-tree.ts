import { readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

const STRIDE = 256;

/** Empties a folder, following no link. The folder itself stays. Safe to repeat after an interruption. */
export async function emptyFolder(folder: string): Promise<void> {
  let removed = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await emptyFolder(path);
      rmdirSync(path);
    } else unlinkSync(path);
    removed += 1;
    if (removed % STRIDE === 0) await setImmediate();
  }
}
