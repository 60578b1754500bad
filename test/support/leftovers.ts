import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Every process that descends from a test run carries the run's own value of this variable. */
export const MARK_VARIABLE = 'IOT_RUNBOOKS_TEST_RUN';

const SETTLE_ATTEMPTS = 50;

/**
 * Commands of the run's processes that are still there five seconds after its end; they are ended.
 * Read from /proc: where there is none (macOS), nothing is found.
 */
export async function endLeftovers(mark: string): Promise<string[]> {
  let left = await processesWith(mark);
  for (let attempt = 0; left.size > 0 && attempt < SETTLE_ATTEMPTS; attempt += 1) {
    await sleep(100);
    left = await processesWith(mark);
  }
  for (const pid of left.keys()) process.kill(pid, 'SIGKILL');
  return [...left.values()];
}

/** Process ids and command lines of those whose environment holds the mark. */
export async function processesWith(mark: string): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  const entries = await readdir('/proc').catch(() => []);
  for (const entry of entries.filter((name) => /^\d+$/.test(name))) {
    if (Number(entry) === process.pid) continue;
    const environment = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
    if (!environment.includes(`${MARK_VARIABLE}=${mark}`)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    // A process that has ended and waits to be collected has no command line.
    if (command !== '') found.set(Number(entry), command.replaceAll('\0', ' ').trim());
  }
  return found;
}
