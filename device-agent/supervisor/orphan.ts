import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { codeOf, problemOf } from '../errors';
import { writeFileAtomically } from '../state/atomic-file';

const record = z.object({ pid: z.int().positive(), startedAt: z.string() });

/**
 * Remembers the application's process, so that an agent that was killed finds and ends it when it starts again:
 * otherwise a contained device could go on running an application that nobody supervises. A process counts as
 * the same only with the same start time, since process ids are used again.
 */
export class OrphanRecord {
  private readonly path: string;

  constructor(folder: string) {
    this.path = join(folder, 'application.json');
  }

  remember(pid: number): void {
    const startedAt = startTime(pid);
    if (startedAt !== null) writeFileAtomically(this.path, JSON.stringify({ pid, startedAt }));
  }

  /** A record that a read-only disk keeps names a process that has ended, which its start time tells. */
  forget(): void {
    problemOf(() => rmSync(this.path, { force: true }));
  }

  /** Ends what an earlier life of the agent left behind; the pid, or null where there was nothing. */
  async reap(): Promise<number | null> {
    const found = this.read();
    if (found === null) return null;
    const alive = (): boolean => startTime(found.pid) === found.startedAt;
    const wasAlive = alive();
    if (wasAlive) killGroup(found.pid, 'SIGKILL');
    // Until it is gone a device must not be called contained.
    for (let wait = 0; wait < MAX_WAITS && alive(); wait += 1) await sleep(WAIT_MS);
    if (alive()) throw new Error(`the orphaned application ${found.pid} survives SIGKILL`);
    this.forget();
    return wasAlive ? found.pid : null;
  }

  private read(): z.infer<typeof record> | null {
    try {
      return record.parse(JSON.parse(readFileSync(this.path, 'utf8')));
    } catch {
      return null;
    }
  }
}

const WAIT_MS = 20;
const MAX_WAITS = 250;

/** Clock ticks since boot, field 22 of /proc/<pid>/stat; null where the process has ended or there is no /proc. */
function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name, field 2, is in parentheses and may itself hold spaces and parentheses.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? null : (rest[18] ?? null);
  } catch {
    return null;
  }
}

const NOTHING_TO_KILL: ReadonlySet<string | null> = new Set(['ESRCH', 'EPERM']);

/**
 * The application leads a process group of its own: its children go with it. Whether it worked shows in whether
 * the process exits; EPERM is what some systems answer for a group of which only a zombie is left.
 */
export function killGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!NOTHING_TO_KILL.has(codeOf(error))) throw error;
  }
}
