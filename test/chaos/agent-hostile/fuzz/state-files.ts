import { existsSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { LogLevel } from '../../../../device-agent/diagnostics/log-level';
import { parseJson } from '../../../../device-agent/errors';
import { Clock } from '../../../../device-agent/state/clock';
import { Journal } from '../../../../device-agent/state/journal';
import { OrphanRecord } from '../../../../device-agent/supervisor/orphan';
import { RaucRecord } from '../../../../device-agent/update/installers/rauc-record';
import { createSlotsInstaller } from '../../../../device-agent/update/installers/slots';
import { UPDATE_STATES } from '../../../../device-agent/update/machine';
import { Recovery } from '../../../../device-agent/update/recovery';
import { UpdateJournal } from '../../../../device-agent/update/update-journal';
import { DeviceDisk } from '../disk';
import type { Finding } from '../protocol';
import type { Random } from '../random';
import type { Fuzzer } from './fuzz';
import { mutate } from './mutate';

const OUTCOME = { status: 'FAILED', details: { reason: 'x' } };
const SHA256 = 'ab'.repeat(32);
const RELEASE = { version: '1.4.0', release: 8, securityEpoch: 2, hardware: ['b'] };
const JOURNAL = JSON.stringify({
  containment: { since: '2026-11-25T00:00:00.000Z', reason: 'drill', requestedBy: 'x' },
  executions: [
    { key: 'job-1#1', outcome: null },
    { key: 'job-2#1', outcome: OUTCOME },
  ],
});
const UPDATE = JSON.stringify({
  version: 1,
  floor: { release: 7, securityEpoch: 2 },
  current: {
    key: 'job-1#1',
    target: { name: 'pump/8.tar', length: 9, sha256: SHA256, url: 'http://x/', release: RELEASE },
    from: { version: '1.3.0', slot: 'a' },
    startedAt: '2026-11-25T00:00:00.000Z',
    state: 'confirming',
    starts: 1,
    entries: 7,
    failure: null,
  },
  history: [
    {
      key: 'j#1',
      target: 'x',
      version: '1',
      release: 7,
      outcome: OUTCOME,
      at: '2026-11-24T00:00:00Z',
    },
  ],
});
const INSTALLED = { target: 'x', sha256: SHA256, version: '1', release: 7, securityEpoch: 2 };
const RAUC = JSON.stringify({
  confirmed: 'rootfs.0',
  slots: { 'rootfs.0': { content: { sha256: SHA256, count: 1 }, release: INSTALLED } },
});
const LEVEL = JSON.stringify({ level: 'debug', leftMs: 60_000, until: '2099-01-01T00:00:00.000Z' });
// A process of this number may exist, but none that began then.
const ORPHAN = JSON.stringify({ pid: 1, startedAt: '99999999999999999999' });
const CLOCK = JSON.stringify({ lastKnown: '2026-11-25T00:00:00.000Z' });

/** Files that the agent left for its next life, after something else has written them. */
export function stateFileFuzzer(dir: string): Fuzzer {
  const disk = new DeviceDisk(dir);
  mkdirSync(join(disk.slots, 'a'), { recursive: true });
  writeFileSync(join(disk.slots, 'a', 'release.json'), JSON.stringify(INSTALLED));
  const kinds: readonly Fuzzer[] = [
    (random) => fuzzJournal(random, disk.state),
    (random) => fuzzUpdate(random, disk),
    (random) => fuzzClock(random, disk.state),
    (random) => fuzzLogLevel(random, disk.state),
    (random) => fuzzRauc(random, join(dir, 'device', 'state', 'rauc.json')),
    (random) => fuzzOrphan(random, disk.state),
  ];
  return (random) => random.pick(kinds)(random);
}

function written(random: Random, path: string, sound: string): { text: string; value: unknown } {
  const changed = random.chance(0.02) ? '' : mutate(random, sound);
  writeFileSync(path, changed);
  // As it is read again: halves of a surrogate pair don't survive.
  const text = Buffer.from(changed).toString();
  return { text, value: parseJson(text) };
}

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, field)
    ? (value as Record<string, unknown>)[field]
    : undefined;

function fuzzJournal(random: Random, state: string): Finding | null {
  const { text, value } = written(random, join(state, 'journal.json'), JOURNAL);
  const { containment } = new Journal(state);
  if (containment !== null || fieldOf(value, 'containment') === null) return null;
  return { harm: 'escape', what: `free of containment: ${text}` };
}

async function fuzzUpdate(random: Random, disk: DeviceDisk): Promise<Finding | null> {
  const { text } = written(random, join(disk.updates, 'update.json'), UPDATE);
  const journal = new UpdateJournal(disk.updates);
  const { current, damage } = journal;
  const bad = (what: string): Finding => ({ harm: 'badInstall', what: `${what}: ${text}` });
  if (current !== null && !UPDATE_STATES.includes(current.state)) return bad('unknown state');
  if (damage === null) return null;
  if (current !== null) return bad('a damaged update goes on');
  const installer = createSlotsInstaller({ dir: disk.slots });
  let told = 0;
  const recordOutcome = (): void => void (told += 1);
  await new Recovery({
    journal,
    installer,
    reboot: () => Promise.resolve(),
    recordOutcome,
    now: () => new Date(),
    log: pino({ level: 'silent' }),
  }).run();
  const { release, securityEpoch } = journal.floor;
  if (!(release >= 7 && securityEpoch >= 2)) return bad('the floor fell');
  if (disk.active() !== 'a' || told > 1) return bad('not rolled back');
  const again = new UpdateJournal(disk.updates);
  return again.damage === null && again.current === null ? null : bad('not put right');
}

function fuzzClock(random: Random, state: string): Finding | null {
  const { text } = written(random, join(state, 'clock.json'), CLOCK);
  const system = Date.parse('2026-11-25T01:00:00Z');
  const now = new Clock(state, () => system).now().getTime();
  return now >= system ? null : { harm: 'badInstall', what: `the clock is at ${now}: ${text}` };
}

function fuzzLogLevel(random: Random, state: string): Finding | null {
  const { text } = written(random, join(state, 'log-level.json'), LEVEL);
  const log = pino({ level: 'silent' });
  const level = new LogLevel(log, state);
  const { current } = level;
  level.stop();
  const known =
    current === null ? log.level === 'silent' : ['debug', 'info', 'warn'].includes(log.level);
  return known ? null : { harm: 'crash', what: `log level ${log.level}: ${text}` };
}

function fuzzRauc(random: Random, path: string): Finding | null {
  const { text } = written(random, path, RAUC);
  const record = new RaucRecord(path);
  const slot = { name: 'rootfs.0', booted: true, content: { sha256: SHA256, count: 1 } };
  const release = record.releaseIn(slot);
  record.confirm('rootfs.1');
  const known = release === null || Number.isSafeInteger(release.release);
  if (known && record.confirmed === 'rootfs.1') return null;
  return { harm: 'badInstall', what: `taken for a record: ${text}` };
}

async function fuzzOrphan(random: Random, state: string): Promise<Finding | null> {
  const path = join(state, 'application.json');
  const { text } = written(random, path, ORPHAN);
  const pid = await new OrphanRecord(state).reap();
  if (pid !== null) return { harm: 'escape', what: `process ${pid} is killed: ${text}` };
  if (existsSync(path)) unlinkSync(path);
  return null;
}
