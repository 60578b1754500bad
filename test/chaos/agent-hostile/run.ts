import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runJobs, type JobsReport } from './jobs';
import type { Finding, FuzzShare, Harm } from './protocol';
import { Random } from './random';
import { HARMLESS, runSecrets } from './secrets';
import { bundleTarget, Target } from './target';

export interface HostileOptions {
  jobs: number;
  fuzzed: number;
  secrets: number;
  seed: number;
  log: (line: string) => void;
  /** The harness does, to itself, what the agent must not. */
  sabotage?: boolean;
}

export interface HostileReport {
  jobs: number;
  fuzzed: number;
  crashes: number;
  badInstalls: number;
  escapes: number;
  secretsLeaked: number;
  growthMiB: number;
  details: {
    findings: Record<Harm, string[]>;
    /** Honest jobs among the others that were installed, and harmless words that arrived among the secrets. */
    honest: number;
    installs: number;
    ended: JobsReport['ended'];
    arrived: number;
    leakedKinds: string[];
  };
}

const MAX_GROWTH_MIB = 50;
const KEPT = 50;

/** In memory where the system has such a folder: what is flushed there a million times wears no disk. */
const scratchFolder = (): string =>
  mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'hostile-'));

/** Everything that a cloud, a repository and a disk in hostile hands can ask or hold, and what comes of it. */
export async function runAgentHostile(options: HostileOptions): Promise<HostileReport> {
  const { seed, secrets, log, sabotage = false } = options;
  const dir = scratchFolder();
  const findings = new Findings(log);
  const { found } = findings;
  try {
    const script = await bundleTarget(dir);
    const common = { dir, script, found, sabotage };
    const [jobs, fuzz] = await Promise.all([
      runJobs({ ...common, jobs: options.jobs, random: new Random(seed), log }),
      runFuzzing({ ...options, dir, script, found }),
    ]);
    log(`${jobs.jobs} jobs, ${fuzz.fuzzed} fuzzed; now ${secrets} secrets`);
    const { leaked, arrived } = await runSecrets({ ...common, secrets, seed });
    const { crash, hang, badInstall, escape, shell } = findings.counts;
    return {
      jobs: jobs.jobs,
      fuzzed: fuzz.fuzzed,
      crashes: crash + hang,
      badInstalls: badInstall,
      escapes: escape + shell,
      secretsLeaked: leaked.length,
      growthMiB: rounded(Math.max(0, jobs.growthMiB, ...fuzz.growthMiB)),
      details: {
        findings: findings.kept,
        honest: jobs.honest,
        installs: jobs.installs,
        ended: jobs.ended,
        arrived: arrived.length,
        leakedKinds: leaked.map(({ kind }) => kind),
      },
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Nothing went wrong, and what should go well did. */
export function isHarmless(report: HostileReport): boolean {
  const { crashes, badInstalls, escapes, secretsLeaked, growthMiB, details } = report;
  const none = crashes + badInstalls + escapes + secretsLeaked === 0;
  return (
    none && growthMiB < MAX_GROWTH_MIB && details.honest > 0 && details.arrived === HARMLESS.length
  );
}

class Findings {
  readonly counts: Record<Harm, number> = { crash: 0, badInstall: 0, escape: 0, shell: 0, hang: 0 };
  readonly kept: Record<Harm, string[]> = {
    crash: [],
    badInstall: [],
    escape: [],
    shell: [],
    hang: [],
  };

  constructor(private readonly log: (line: string) => void) {}

  readonly found = ({ harm, what }: Finding): void => {
    this.counts[harm] += 1;
    if (this.kept[harm].length >= KEPT) return;
    this.kept[harm].push(what);
    this.log(`${harm}: ${what}`);
  };
}

/** Two processes, since a machine has two processors at least. */
async function runFuzzing(
  options: HostileOptions & { dir: string; script: string; found: (finding: Finding) => void },
): Promise<{ fuzzed: number; growthMiB: number[] }> {
  const { dir, script, found, seed, fuzzed: total, log } = options;
  const share = (part: number): number => Math.floor(total * part);
  const [manifests, repositories, stateFiles] = [share(0.07), share(0.002), share(0.028)];
  const documents = total - manifests - repositories - stateFiles;
  const half = Math.floor(documents * 0.6);
  const processes: FuzzShare[][] = [
    [{ family: 'documents', count: half }],
    [
      { family: 'documents', count: documents - half },
      { family: 'manifests', count: manifests },
      { family: 'repositories', count: repositories },
      { family: 'stateFiles', count: stateFiles },
    ],
  ];
  let fuzzed = 0;
  const onFuzzed = (count: number): void => {
    if (Math.floor((fuzzed += count) / 100_000) > Math.floor((fuzzed - count) / 100_000))
      log(`${fuzzed} fuzzed`);
  };
  const growthMiB = await Promise.all(
    processes.map(async (shares, index) => {
      const folder = join(dir, `fuzz-${index}`);
      mkdirSync(folder);
      const writable = { folders: [folder], slots: null };
      const settings = { kind: 'fuzz', seed: seed + index, dir: folder, shares, writable } as const;
      const onCrash = (what: string): void => found({ harm: 'crash', what });
      const target = new Target(script, settings, { onFinding: found, onFuzzed, onCrash });
      await target.when('done');
      await target.stop();
      const [warm = 0, end = 0] = target.memory;
      return end - warm;
    }),
  );
  return { fuzzed, growthMiB };
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
