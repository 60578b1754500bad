import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync, openSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { childEnv } from './host';

export interface ChildOptions {
  /** Names the process in logs and errors: `temporal`, `emulator`, `agent-3`. */
  name: string;
  command: string;
  args?: readonly string[];
  cwd?: string;
  /** Set on top of this process's own environment. */
  env?: Readonly<Record<string, string>>;
  /** Where `<name>.log` is kept, each line with its time; no file without it. */
  dir?: string;
  /** Called with each line of output. */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** How long a stop waits after SIGTERM before SIGKILL. */
  stopTimeoutMs?: number;
}

export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Child {
  name: string;
  pid: number;
  /** Resolves when the process has ended and its output is read; never rejects. */
  exited: Promise<ChildExit>;
  running(): boolean;
  /** The last lines of output, for error messages. */
  tail(): string;
  /** SIGTERM, a wait, SIGKILL to its whole process group. Safe to call more than once. */
  stop(): Promise<void>;
  /** The signal to the process itself. */
  kill(signal: NodeJS.Signals): void;
}

const TAIL_LINES = 20;
const KEEPER = join(__dirname, 'with-parent.sh');

/**
 * Starts a process that ends when this one does, even by SIGKILL (`with-parent.sh`), and that a
 * Ctrl-C in the terminal does not reach: stopping it, in order, is its owner's work.
 * A command that does not exist shows as exit code 127 with the shell's message in `tail()`.
 */
export function startChild(options: ChildOptions): Child {
  const spawned = spawn('/bin/sh', [KEEPER, options.command, ...(options.args ?? [])], {
    cwd: options.cwd,
    env: childEnv(options.env ?? {}),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const { pid } = spawned;
  if (pid === undefined) throw new Error(`${options.name}: /bin/sh cannot be started`);
  // The pipe breaks when the child goes first; that is no error of ours.
  spawned.stdio[3]?.on('error', () => undefined);

  const tail: string[] = [];
  const file = openLog(options);
  const exited = watchExit(spawned, (line, stream) => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    file?.write(`${new Date().toISOString()} ${stream} ${line}\n`);
    options.onLine?.(line, stream);
  });
  void exited.then(() => file?.end());
  return {
    name: options.name,
    pid,
    exited,
    running: () => isRunning(spawned),
    tail: () => tail.join('\n'),
    kill: (signal) => void spawned.kill(signal),
    stop: () => stop(spawned, exited, options.stopTimeoutMs ?? 5_000),
  };
}

function openLog({ dir, name }: ChildOptions): WriteStream | undefined {
  if (dir === undefined) return undefined;
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name}.log`);
  // Opened at once: a process that ends right away may take its folder with it before a stream has.
  return createWriteStream(path, { fd: openSync(path, 'a') });
}

function watchExit(
  spawned: ChildProcess,
  onLine: (line: string, stream: 'stdout' | 'stderr') => void,
): Promise<ChildExit> {
  readLines(spawned.stdout, (line) => onLine(line, 'stdout'));
  readLines(spawned.stderr, (line) => onLine(line, 'stderr'));
  return new Promise((resolve) => {
    spawned.once('error', () => resolve({ code: 127, signal: null }));
    // What the process left behind in its group goes with it, and with that the output closes.
    spawned.once('exit', () => killGroup(spawned.pid));
    spawned.once('close', (code, signal) => resolve({ code, signal }));
  });
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', onLine);
}

function isRunning(spawned: ChildProcess): boolean {
  return spawned.exitCode === null && spawned.signalCode === null;
}

async function stop(
  spawned: ChildProcess,
  exited: Promise<ChildExit>,
  timeoutMs: number,
): Promise<void> {
  if (isRunning(spawned)) {
    spawned.kill('SIGTERM');
    const timer = setTimeout(() => killGroup(spawned.pid), timeoutMs);
    await exited;
    clearTimeout(timer);
  }
  await exited;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone, which is what was wanted.
  }
}
