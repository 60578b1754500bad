import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from './errors';

/**
 * Runs `work` while holding the lock file, so that two processes do not do the same long work at once.
 * A lock whose owner has died is taken over. Two may still get in when both find it abandoned: `work`
 * must leave its result by one rename, so the lock saves time and correctness does not rest on it.
 */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait: () => void = () => undefined,
): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  let waited = false;
  while (!(await acquire(file))) {
    if (await isAbandoned(file)) {
      await rm(file, { force: true });
      continue;
    }
    if (!waited) onWait();
    waited = true;
    await sleep(200);
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
    throw err;
  }
}

/** A lock without a number is one being written, unless it has been so for seconds: its owner died in between. */
async function isAbandoned(file: string): Promise<boolean> {
  const owner = Number(await readFile(file, 'utf8').catch(() => ''));
  if (!Number.isInteger(owner) || owner <= 0) {
    const age = await stat(file)
      .then(({ mtimeMs }) => Date.now() - mtimeMs)
      .catch(() => 0);
    return age > 5_000;
  }
  try {
    process.kill(owner, 0);
    return false;
  } catch (err) {
    return hasCode(err, 'ESRCH');
  }
}
