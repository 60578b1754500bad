import childProcess from 'node:child_process';
import fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Finding, Writable } from '../protocol';

type Loose = (...args: unknown[]) => unknown;
type Functions = Record<string, unknown>;

const real = {
  openSync: fs.openSync.bind(fs),
  closeSync: fs.closeSync.bind(fs),
  readlinkSync: fs.readlinkSync.bind(fs),
};
const { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND } = fs.constants;
/** Of open(2): it only names what is there, whatever it is. */
const O_PATH = 0o10_000_000;
const WRITES = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;

/** Which of its arguments a function changes. */
const CHANGES: Record<string, readonly number[]> = {
  appendFile: [0],
  chmod: [0],
  chown: [0],
  copyFile: [1],
  cp: [1],
  lchmod: [0],
  lchown: [0],
  link: [0, 1],
  lutimes: [0],
  mkdir: [0],
  mkdtemp: [0],
  rename: [0, 1],
  rm: [0],
  rmdir: [0],
  symlink: [1],
  truncate: [0],
  unlink: [0],
  utimes: [0],
  writeFile: [0],
};
const STARTS = ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync'];

export interface Rules {
  writable: Writable;
  /** Command lines that may be started, beside `sync -f` of what may be written. */
  commands: readonly (readonly string[])[];
  /** Processes that may be killed are those that were started. */
  mayKill: boolean;
}

/**
 * Stands between the agent and the functions that write files or start processes, in all of their three forms, and
 * tells what goes past the rules before it is done. Native code and what a started process does show in the tree.
 */
export function guard(rules: Rules, tell: (finding: Finding) => void): void {
  const watch = (path: unknown, name: string, follow: boolean): void => {
    if (typeof path === 'number' || mayWrite(path, rules.writable, follow)) return;
    tell({ harm: 'escape', what: `${name} ${String(path).slice(0, 200)}` });
  };
  for (const [functions, suffix] of [
    [fs, ''],
    [fs, 'Sync'],
    [fs.promises, ''],
  ] as [Functions, string][]) {
    for (const [name, positions] of Object.entries(CHANGES)) {
      wrap(functions, `${name}${suffix}`, (args) => {
        for (const at of positions) watch(args[at], name, false);
      });
    }
    wrap(functions, `open${suffix}`, ([path, flags]) => {
      if (writes(flags)) watch(path, 'open', true);
    });
  }
  for (const name of STARTS) {
    wrap(childProcess, name, (args) => {
      const problem = startOf(name, args, rules);
      if (problem !== null) tell({ harm: 'shell', what: problem });
    });
  }
  if (rules.mayKill) return;
  process.kill = (pid, signal) => {
    tell({ harm: 'escape', what: `kill ${pid} ${signal}` });
    return true;
  };
}

function wrap(functions: Functions, name: string, before: (args: unknown[]) => void): void {
  const original = functions[name];
  if (typeof original !== 'function') return;
  functions[name] = function (this: unknown, ...args: unknown[]): unknown {
    before(args);
    return (original as Loose).apply(this, args);
  };
}

const writes = (flags: unknown): boolean =>
  typeof flags === 'number'
    ? (flags & WRITES) !== 0
    : typeof flags === 'string' && /[wa+]/.test(flags);

function mayWrite(path: unknown, { folders, slots }: Writable, follow: boolean): boolean {
  const place = placeOf(resolve(String(path)), follow);
  if (folders.some((folder) => isBelow(place, folder))) return true;
  if (slots === null || !isBelow(place, slots)) return false;
  const [first, ...rest] = place.slice(slots.length + 1).split('/');
  const isLink = rest.length === 0 && /^(active|confirmed)(\.new)?$/.test(first ?? '');
  const runs = ['active', 'confirmed'].map((link) => real.readlinkSync(join(slots, link)));
  return isLink || (/^[ab]$/.test(first ?? '') && !runs.includes(first ?? ''));
}

const isBelow = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

/** Where a path leads, though its end may not exist. A link at its end counts where it is followed. */
function placeOf(path: string, follow: boolean): string {
  try {
    if (follow) return realPathOf(path);
  } catch {
    // Not there yet.
  }
  const folder = dirname(path);
  if (folder === path) return path;
  return join(placeOf(folder, true), basename(path));
}

/** One walk of the kernel; realpath(3) walks once for each folder, which takes minutes for a deep tree. */
function realPathOf(path: string): string {
  const file = real.openSync(path, O_PATH);
  try {
    return real.readlinkSync(`/proc/self/fd/${file}`);
  } finally {
    real.closeSync(file);
  }
}

function startOf(name: string, args: unknown[], { writable, commands }: Rules): string | null {
  const [command, list] = args;
  const line = [String(command), ...(Array.isArray(list) ? list.map(String) : [])];
  const options = args.find((arg) => typeof arg === 'object' && !Array.isArray(arg)) as
    { shell?: unknown } | undefined;
  const shell = name === 'exec' || name === 'execSync' || Boolean(options?.shell);
  const known = commands.some((each) => each.join('\0') === line.join('\0'));
  const [program, flag, path, more] = line;
  const syncs = program === 'sync' && flag === '-f' && more === undefined;
  const own = syncs && path !== undefined && mayWrite(path, writable, true);
  return !shell && (known || own) ? null : `${name} ${line.join(' ').slice(0, 200)}`;
}
