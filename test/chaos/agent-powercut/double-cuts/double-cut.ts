import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { seeded } from '../../kill-points';
import { checkJournal, checkSlots, other, type Finding } from '../checks';
import { loseUnsynced, type Cut } from '../cut';
import { makeFactoryDisk, RELEASES } from '../releases';
import { SCENARIOS, SEASONING, type Scenario } from '../scenarios';
import type { Execution } from './jobs-service';
import { Life, trustOf, type LifeOptions, type Repository } from './life';

/** What the double cuts of one process share. */
export interface Bench {
  dir: string;
  repository: Repository;
  /** Calls of each scenario without a cut. */
  calls: ReadonlyMap<Scenario, number>;
}

export interface DoubleCutReport {
  /** With which alone the same case comes again. */
  seed: number;
  scenario: string;
  cuts: Cut[];
  findings: Finding[];
}

const diskOf = (dir: string): string => join(dir, 'disk');
const seasonedOf = (dir: string): string => join(dir, 'seasoned');

/** Runs every scenario once to its end, which shows that nothing but the cuts can be to blame. */
export async function prepareBench(
  dir: string,
  repository: Repository,
  publishAgain: () => void,
): Promise<Bench> {
  await undisturbed({ dir, repository }, SEASONING);
  cpSync(diskOf(dir), seasonedOf(dir), { recursive: true, verbatimSymlinks: true });
  publishAgain();
  const calls = new Map<Scenario, number>();
  for (const scenario of SCENARIOS) {
    calls.set(scenario, await undisturbed({ dir, repository }, scenario));
  }
  return { dir, repository, calls };
}

async function undisturbed(
  { dir, repository }: Pick<Bench, 'dir' | 'repository'>,
  scenario: Scenario,
): Promise<number> {
  const execution = freshDevice(dir, scenario);
  const life = new Life({ disk: diskOf(dir), repository, execution, scenario, cut: null });
  await life.live();
  const findings = [...(await findingsOf(dir, repository, scenario, execution)), ...escapes(life)];
  if (findings.length > 0) {
    throw new Error(`${scenario.name} without a cut: ${JSON.stringify(findings)}`);
  }
  return life.calls;
}

function freshDevice(dir: string, { from, release }: Scenario): Execution {
  const disk = diskOf(dir);
  rmSync(disk, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  if (from === 'factory') makeFactoryDisk(disk);
  else cpSync(seasonedOf(dir), disk, { recursive: true, verbatimSymlinks: true });
  const { target } = RELEASES[release];
  const document = { version: 1, requestedBy: 'powercut', operation: 'install', target };
  const jobId = from === 'factory' ? 'job' : 'next-job';
  return { jobId, document, status: 'QUEUED', version: 1, told: [] };
}

/** An update whose power goes twice, and which then is left alone. */
export async function doubleCut(bench: Bench, seed: number): Promise<DoubleCutReport> {
  const random = seeded(seed);
  const scenario = SCENARIOS[Math.floor(random() * SCENARIOS.length)] ?? SEASONING;
  const execution = freshDevice(bench.dir, scenario);
  const cuts: Cut[] = [];
  const findings: Finding[] = [];
  try {
    const calls = bench.calls.get(scenario) ?? 1;
    for (let nth = 1; nth <= 2; nth += 1) {
      const life = await cutLife(bench, { scenario, execution, calls, random });
      findings.push(...escapes(life));
      if (life.cut === null) continue;
      cuts.push(life.cut);
      loseUnsynced(life.model, life.cut);
    }
    const { repository } = bench;
    const disk = diskOf(bench.dir);
    const last = new Life({ disk, repository, execution, scenario, cut: null });
    await last.live();
    findings.push(...escapes(last));
    findings.push(...(await findingsOf(bench.dir, repository, scenario, execution)));
  } catch (error) {
    findings.push({ damage: 'bricked', what: String(error) });
  }
  return { seed, scenario: scenario.name, cuts, findings };
}

interface Cutting {
  scenario: Scenario;
  execution: Execution;
  /** As many as the life may make. */
  calls: number;
  random: () => number;
}

/**
 * One life that is cut. It may make fewer calls than an update from its beginning: where it came to rest before its
 * cut, the disk and the job are taken back and the cut comes within what it does.
 */
async function cutLife(
  bench: Bench,
  { scenario, execution, calls, random }: Cutting,
): Promise<Life> {
  const { dir, repository } = bench;
  const [disk, before] = [diskOf(dir), join(dir, 'before')];
  const options = { disk, repository, execution, scenario };
  let within = calls;
  for (;;) {
    rmSync(before, { recursive: true, force: true });
    cpSync(disk, before, { recursive: true, verbatimSymlinks: true });
    const job = structuredClone(execution);
    const cut: LifeOptions['cut'] = {
      at: 1 + Math.floor(random() * within),
      manner: random(),
      seed: Math.floor(random() * 2 ** 31),
    };
    const life = new Life({ ...options, cut });
    const wasCut = await life.live();
    if (!wasCut && life.calls === 0) life.die('lost');
    if (life.cut !== null) return life;
    within = life.calls;
    Object.assign(execution, job);
    rmSync(disk, { recursive: true });
    cpSync(before, disk, { recursive: true, verbatimSymlinks: true });
  }
}

/** Whatever was written past the harness would not have been cut. */
function escapes(life: Life): Finding[] {
  return life.model.differences().map((what) => other(`written past the harness: ${what}`));
}

async function findingsOf(
  dir: string,
  repository: Repository,
  scenario: Scenario,
  { status, told }: Execution,
): Promise<Finding[]> {
  const disk = diskOf(dir);
  const findings = [...checkSlots(disk, scenario.runs), ...checkJournal(disk, scenario.runs)];
  const wrong = told.filter((end) => end !== scenario.status);
  if (status !== scenario.status || (scenario.status !== 'CANCELED' && wrong.length > 0)) {
    const what = `the job is ${status}, not ${scenario.status}; told: ${told.join()}`;
    findings.push({ damage: 'wrongTerminalStatus', what });
  }
  try {
    await trustOf(disk, repository).target(RELEASES.next.target);
  } catch (error) {
    findings.push({ damage: 'deadTufStore', what: String(error) });
  }
  return findings;
}
