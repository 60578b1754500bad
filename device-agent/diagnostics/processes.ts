import { opendir } from 'node:fs/promises';
import type { Collector } from './collector';
import type { Line } from './bundle';
import { printableName } from './printable';
import { fieldOf, readProc, tryProc } from './proc';
import { redact } from './redact';
import { withoutSecretArguments } from './secrets';

const MAX_PROCESSES = 2_000;
const MAX_COMMAND_LINE = 4_096;
/** Of the clock that `starttime` of proc(5) counts in; 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** From /proc: no child process is started to look at processes. */
export const processes: Collector = async (sink) => {
  const bootSeconds = bootTimeOf(await readProc('/proc/stat', 1_048_576));
  let count = 0;
  for await (const { name } of await opendir('/proc')) {
    if (!/^[0-9]{1,10}$/.test(name)) continue;
    sink.check();
    count += 1;
    if (count > MAX_PROCESSES) {
      sink.cut(`more than ${MAX_PROCESSES} processes`);
      return;
    }
    const line = await processLine(name, bootSeconds);
    if (line !== null) await sink.line(line);
  }
};

/** Null where it ended meanwhile. */
async function processLine(pid: string, bootSeconds: number): Promise<Line | null> {
  const [stat, status, command] = await Promise.all([
    tryProc(`/proc/${pid}/stat`, 4_096),
    tryProc(`/proc/${pid}/status`, 8_192),
    tryProc(`/proc/${pid}/cmdline`, MAX_COMMAND_LINE),
  ]);
  if (stat === null || status === null) return null;
  // The name is in brackets and may hold anything, brackets too.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const started = bootSeconds + Number(fields[19]) / TICKS_PER_SECOND;
  return {
    pid: Number(pid),
    ppid: Number(fields[1]),
    name: printableName(redact(stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')))),
    state: fields[0],
    uid: Number(fieldOf(status, 'Uid')?.split('\t')[0]),
    rssKiB: Number.parseInt(fieldOf(status, 'VmRSS') ?? '0', 10),
    started: new Date(started * 1_000).toISOString(),
    command: commandLine(command ?? ''),
  };
}

/** Arguments end with a NUL; one that was cut by the limit may be half a secret and is left out. */
export function commandLine(raw: string): string {
  const cut = Buffer.byteLength(raw) >= MAX_COMMAND_LINE;
  const args = raw.split('\0');
  const last = args.pop();
  if (last !== undefined && last !== '' && !cut) args.push(last);
  // Redacted first: the ends of lines that a secret is told by are written out after.
  const shown = withoutSecretArguments(args).map((arg) => printableName(redact(arg)));
  return (cut ? [...shown, '[cut]'] : shown).join(' ');
}

/** Seconds since 1970. */
export function bootTimeOf(stat: string): number {
  return Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? Number.NaN);
}
