import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = resolve(__dirname, '..', '..', '..');

/** A process that has ended and waits to be collected does not count as alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

/** Whether the condition holds within ten seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await condition()) return true;
    await sleep(50);
  }
  return false;
}

export interface Script {
  process: ChildProcess;
  /** Lines of standard output so far. */
  lines: string[];
  firstLine: Promise<string>;
  /** Exit code, or the signal's name. */
  ended: Promise<number | NodeJS.Signals | null>;
}

/** Runs a Node command line from the root of the project, as a person would from a shell. */
export function runNode(args: string[], env: Record<string, string> = {}): Script {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const firstLine = new Promise<string>((done, reject) => {
    reader.once('line', done);
    reader.once('close', () => reject(new Error(`No output from node ${args.join(' ')}`)));
  });
  firstLine.catch(() => undefined);
  reader.on('line', (line) => lines.push(line));
  const ended = new Promise<number | NodeJS.Signals | null>((done) => {
    child.once('close', (code, signal) => done(signal ?? code));
  });
  return { process: child, lines, firstLine, ended };
}
