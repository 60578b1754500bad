import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { loseUnsynced, tear, type Cut } from '../cut';
import { Disk } from '../disk';
import { patchFs } from '../patch';
import type { Call, Operation } from '../patched-fs';

/**
 * Loaded into the agent with `--require`: counts the calls that change the disk and, at the one it is told, leaves
 * the disk as a power cut would and ends the process by SIGKILL.
 */
export interface PowercutSettings {
  /** Everything that the agent keeps. */
  disk: string;
  /** Outside it; what the harness is told, a file each: `calls`, `died`, `escaped`. */
  report: string;
  cut: Cut | null;
  /** Notes each call. */
  trace: boolean;
  /** Before the first call that fits, waits for an answer of this URL. */
  hold: { op: Call['op']; path: string; url: string } | null;
  /** Calls that the disk only says it has made. */
  lies: Operation[];
}

const settings = JSON.parse(process.env['POWERCUT'] ?? '{}') as PowercutSettings;
const { cut, hold, report } = settings;
const disk = Disk.read(settings.disk);
const real = { appendFileSync: fs.appendFileSync, writeFileSync: fs.writeFileSync };
let calls = 0;
let held = false;

const unpatch = patchFs(() => disk, onCall, settings.lies);

function onCall(call: Call): void {
  calls += 1;
  if (hold !== null && !held && call.op === hold.op && call.path.includes(hold.path)) {
    held = true;
    ask(hold.url);
  }
  if (settings.trace) note(call);
  if (cut?.at === calls) die(call, cut);
}

function note({ op, path, bytes }: Call): void {
  const entry = { op, path: path.slice(disk.path.length + 1), bytes, unsynced: disk.unsynced };
  real.appendFileSync(`${report}/calls`, `${JSON.stringify(entry)}\n`);
}

function ask(url: string): void {
  const script = `fetch(${JSON.stringify(url)}).then((answer) => process.exit(answer.ok ? 0 : 1))`;
  const { status } = spawnSync(process.execPath, ['-e', script]);
  if (status !== 0) real.writeFileSync(`${report}/escaped`, `${url} was not answered`);
}

function die(call: Call, how: Cut): void {
  tear(call, how.manner);
  unpatch();
  const escaped = disk.differences();
  if (escaped.length > 0) fs.writeFileSync(`${report}/escaped`, escaped.join('\n'));
  loseUnsynced(disk, how);
  fs.writeFileSync(`${report}/died`, JSON.stringify({ op: call.op, path: call.path }));
  process.kill(process.pid, 'SIGKILL');
}
