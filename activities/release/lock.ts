import { open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, noRepository, ReleaseError } from './errors';

/**
 * Two commands at once on one repository would each write what the other has not read. A lock whose process has
 * ended, by a power cut or kill, is taken over.
 */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const file = join(dir, '.lock');
  while (!(await acquire(file))) {
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    if (owner === 0 || isAlive(owner)) {
      throw new ReleaseError(
        `Another command works on ${dir}: wait for it (if there is none, remove ${file})`,
      );
    }
    await rm(file, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function acquire(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (err) {
    if (hasCode(err, 'EEXIST')) return false;
    if (hasCode(err, 'ENOENT', 'ENOTDIR')) throw noRepository(dirname(file));
    throw err;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return !hasCode(err, 'ESRCH');
  }
}
