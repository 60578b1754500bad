import { join } from 'node:path';
import { startChild } from '../../../local/stack/child';
import type { Damage, Finding } from './checks';
import type { DoubleCutReport } from './double-cuts/double-cut';
import { sweep, type SweepReport } from './sweep';
import { startWorld } from './world';

export interface PowercutResult {
  /** Calls that change the disk, over the scenarios: SIGKILL at each. */
  killPoints: number;
  /** Further cuts at them, of which each tears a write or loses what was not synced. */
  tornWrites: number;
  doubleCuts: number;
  bricked: number;
  mixedSlots: number;
  deadTufStores: number;
  maxStarts: number;
  wrongTerminalStatuses: number;
}

export interface PowercutOptions {
  /** So many of the cuts and so many double ones; all, and 10,000, where absent. */
  sample?: number;
  seed?: number;
  log: (line: string) => void;
}

const DOUBLE_CUTS = 10_000;
/** Agents spend much of their time waiting for each other's answers. */
const LANES = 3;
const PROCESSES = 2;

/** `ok` takes in what the counts don't: a wrong release, a floor that fell, an update that never ended. */
export async function runPowercutChaos(
  options: PowercutOptions,
): Promise<{ result: PowercutResult; ok: boolean }> {
  const { sample, seed = 1, log } = options;
  const swept = await sweepRealAgents(options);
  const doubles = await runDoubles(seed, sample ?? DOUBLE_CUTS, log);
  const findings = [...swept.runs, ...doubles].flatMap((run) => run.findings);
  const result = summarise(swept, doubles, findings);
  const reached = swept.runs.filter(({ diedAt }) => diedAt !== null);
  log(`${swept.runs.length - reached.length} cuts were not reached; ${findings.length} findings`);
  const complete = doubles.length === (sample ?? DOUBLE_CUTS) && reached.length > 0;
  return { result, ok: complete && findings.length === 0 };
}

async function sweepRealAgents(options: PowercutOptions): Promise<SweepReport> {
  const { sample, seed = 1, log } = options;
  const world = await startWorld();
  try {
    return await sweep(world, {
      seed,
      lanes: LANES,
      log,
      ...(sample !== undefined && { sample }),
    });
  } finally {
    await world.stop();
  }
}

async function runDoubles(
  seed: number,
  count: number,
  log: (line: string) => void,
): Promise<DoubleCutReport[]> {
  const reports: DoubleCutReport[] = [];
  const from = performance.now();
  const share = Math.ceil(count / PROCESSES);
  const first = (process: number): number => seed + process * share;
  const onReport = (report: DoubleCutReport): void => {
    reports.push(report);
    tellDouble(report, reports.length, count, performance.now() - from, log);
  };
  await Promise.all(
    Array.from({ length: PROCESSES }, (_, process) =>
      doublesOf(first(process), Math.min(share, seed + count - first(process)), onReport),
    ),
  );
  return reports;
}

async function doublesOf(
  seed: number,
  count: number,
  onReport: (report: DoubleCutReport) => void,
): Promise<void> {
  if (count <= 0) return;
  const child = startChild({
    name: `double-cuts-${seed}`,
    command: process.execPath,
    args: ['--import', 'tsx', join(__dirname, 'double-cuts', 'main.ts'), `${seed}`, `${count}`],
    onLine: (line, stream) => {
      if (stream === 'stdout') onReport(JSON.parse(line) as DoubleCutReport);
    },
  });
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`double cuts ended with ${code}:\n${child.tail()}`);
}

const PROGRESS_EVERY = 500;

function tellDouble(
  report: DoubleCutReport,
  done: number,
  all: number,
  elapsedMs: number,
  log: (line: string) => void,
): void {
  const { seed, scenario, cuts, findings } = report;
  for (const { damage, what } of findings) {
    const where = cuts.map(({ at, manner }) => `${manner} at ${at}`).join(', ');
    log(`${scenario}, ${where}: ${damage}: ${what}; again with --seed ${seed} --sample 1`);
  }
  if (done % PROGRESS_EVERY !== 0) return;
  const left = Math.ceil(((elapsedMs / done) * (all - done)) / 60_000);
  log(`${done} of ${all} double cuts, about ${left} min to go`);
}

function summarise(
  { calls, runs }: SweepReport,
  doubles: readonly DoubleCutReport[],
  findings: readonly Finding[],
): PowercutResult {
  const count = (damage: Damage): number =>
    findings.filter((finding) => finding.damage === damage).length;
  const torn = runs.filter(({ cut, diedAt }) => diedAt !== null && cut?.manner !== 'kill');
  const killed = runs.filter(({ cut, diedAt }) => diedAt !== null && cut?.manner === 'kill');
  return {
    killPoints: Math.min(calls, killed.length),
    tornWrites: torn.length,
    doubleCuts: doubles.filter(({ cuts }) => cuts.length === 2).length,
    bricked: count('bricked'),
    mixedSlots: count('mixedSlot'),
    deadTufStores: count('deadTufStore'),
    maxStarts: Math.max(0, ...runs.map(({ starts }) => starts)),
    wrongTerminalStatuses: count('wrongTerminalStatus'),
  };
}
