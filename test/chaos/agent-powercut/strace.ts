import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from './device';
import type { Call, Operation } from './patched-fs';

const CALLS: Record<string, Operation> = {
  write: 'write',
  writev: 'write',
  pwrite64: 'write',
  pwritev: 'write',
  pwritev2: 'write',
  copy_file_range: 'write',
  sendfile: 'write',
  fallocate: 'write',
  fsync: 'fsync',
  fdatasync: 'fsync',
  rename: 'rename',
  renameat: 'rename',
  renameat2: 'rename',
  unlink: 'unlink',
  rmdir: 'rmdir',
  symlink: 'symlink',
  symlinkat: 'symlink',
  mkdir: 'mkdir',
  mkdirat: 'mkdir',
  truncate: 'truncate',
  ftruncate: 'truncate',
  creat: 'create',
  // Which of two, their flags say.
  open: 'create',
  openat: 'create',
  unlinkat: 'unlink',
  link: 'create',
  linkat: 'create',
};

const fileOf = (report: string): string => join(report, 'strace');

/** What the agent runs under, so that the kernel's own view of it is kept. */
export const straceInto = (report: string): string[] => [
  'strace',
  ...['-f', '--seccomp-bpf', '-qq', '-y', '-s', '0', '-e', 'signal=none'],
  ...['-e', `trace=${Object.keys(CALLS).join(',')}`, '-o', fileOf(report)],
];

/** Not in a container without the right to trace, for one. */
export const canTrace = (): boolean => spawnSync('strace', ['-qq', 'true']).status === 0;

type Counts = Partial<Record<Operation, number>>;

/** Calls that changed the disk, by kind: as the harness counted them, and as the kernel carried them out. */
export function compareWithKernel({ report, disk }: Device): { counted: Counts; kernel: Counts } {
  const lines = (path: string): string[] => readFileSync(path, 'utf8').trim().split('\n');
  const counted = lines(join(report, 'calls')).map((line) => (JSON.parse(line) as Call).op);
  const kernel = whole(lines(fileOf(report))).map((line) => operationOf(line, disk));
  return {
    counted: countsOf(counted.filter((op) => op !== 'sync')),
    kernel: countsOf(kernel.filter((op) => op !== null)),
  };
}

/** On a busy machine strace tells a call in two lines, where another thread's came in between. */
function whole(lines: readonly string[]): string[] {
  const begun = new Map<string, string>();
  return lines.flatMap((line) => {
    const [, start = '', pid] = /^((\d+) .*?) ?<unfinished \.\.\.>$/.exec(line) ?? [];
    if (pid !== undefined) {
      begun.set(pid, start);
      return [];
    }
    const [, thread = '', rest] = /^(\d+) +<\.\.\. \w+ resumed>(.*)$/.exec(line) ?? [];
    return [rest === undefined ? line : `${begun.get(thread) ?? ''}${rest}`];
  });
}

/** `pid call(arguments) = result`; null for one that failed, that read or that was elsewhere. */
function operationOf(line: string, disk: string): Operation | null {
  const parsed = /^\d+ +(\w+)\((.*)\) += (-?\d+)/.exec(line);
  const [, call = '', args = '', result] = parsed ?? [];
  const op = CALLS[call];
  // The application's own, whose folder is on the disk.
  if (args.includes('"/dev/null"')) return null;
  if (
    op === undefined ||
    !(args.includes(`${disk}/`) || args.includes(`${disk}>`)) ||
    Number(result) < 0
  )
    return null;
  if (call === 'unlinkat' && args.includes('AT_REMOVEDIR')) return 'rmdir';
  const opens = call === 'open' || call === 'openat';
  return opens && !/O_CREAT|O_TRUNC/.test(args) ? null : op;
}

function countsOf(operations: readonly Operation[]): Counts {
  const counts: Counts = {};
  for (const op of operations) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}
