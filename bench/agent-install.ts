import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { z } from 'zod';
import type { VerifiedTarget } from '../device-agent/update/types';
import { raucMissing, startRauc, type RaucBed } from '../test/device-agent/update/rauc-bed';
import { serviceCommand } from './agent-idle';
import { median, round } from './figures';

export interface AgentInstallOptions {
  /** Pairs of runs, the floor and the agent in turns. */
  runs: number;
  log: (line: string) => void;
  /** Where everything is written; a new folder of the system's for temporary files without it. */
  dir?: string;
}

export interface AgentInstallFigures {
  /** Median of the agent's time over median of `curl | tee >(openssl dgst -sha256) | tar x; sync -f`. */
  installRatio: number;
  installMs: number;
  floorMs: number;
  /** Median of `curl` and `rauc install` over the same floor; null where RAUC can't run here. */
  raucRatio: number | null;
  /** Of the process that installs 200 MB. */
  peakMiB: number;
  /** Of the same with 20 MB. */
  peakSmallMiB: number;
  runs: number;
}

const FILE_BYTES = 100_000;
const FILES = 2_000;
const SMALL_FILES = 200;
const FLOOR =
  'set -o pipefail; curl -sf "$1" | tee >(openssl dgst -sha256 > "$2.sha") | tar x -C "$2"; sync -f "$2"';
const RAUC = 'curl -sf -o "$2" "$1" && "$3" install "$2"';

const childFigures = z.object({
  ms: z.number(),
  fetchMs: z.number(),
  cpuMs: z.number(),
  peakKb: z.number(),
});

/**
 * An update of 200 MB in 2,000 files, from a server on this machine to the disk, verified and flushed: the agent
 * against what a shell does with the same bytes, in turns, so that what else the machine does weighs on both.
 */
export async function benchAgentInstall(
  options: AgentInstallOptions,
): Promise<AgentInstallFigures> {
  const dir = mkdtempSync(join(options.dir ?? tmpdir(), 'agent-install-'));
  const program = join(dir, 'install.js');
  const entry = join(__dirname, 'agent-install-child', 'main.ts');
  buildSync({ entryPoints: [entry], bundle: true, platform: 'node', outfile: program });
  const child = await serviceCommand(program);
  const server = await startServer(dir);
  const missing = raucMissing();
  const rauc = missing === null ? await startRauc({ slotBytes: 256 * 1024 * 1024 }) : null;
  if (missing !== null) options.log(`without RAUC: ${missing}`);
  try {
    const artifact = makeArtifact(dir, server.url, FILES);
    const small = makeArtifact(dir, server.url, SMALL_FILES);
    const bundle = rauc === null ? null : makeBundle(dir, rauc);
    const times = { floor: [] as number[], agent: [] as number[], rauc: [] as number[] };
    const peaks = { large: [] as number[], small: [] as number[] };
    for (let run = 0; run < options.runs; run += 1) {
      times.floor.push(timed(dir, (to) => bash(FLOOR, artifact.url, to)));
      const large = installOnce(dir, child, artifact);
      times.agent.push(large.ms);
      peaks.large.push(large.peakKb);
      peaks.small.push(installOnce(dir, child, small).peakKb);
      if (rauc !== null && bundle !== null) {
        const url = `${server.url}/${bundle}`;
        times.rauc.push(timed(dir, (to) => bash(RAUC, url, join(to, 'bundle'), rauc.command)));
      }
      options.log(
        `${run + 1}/${options.runs}: floor ${last(times.floor)} ms, agent ${last(times.agent)} ms ` +
          `(processor ${round(large.cpuMs)} ms, peak ${round(large.peakKb / 1_024)} MiB), ` +
          `RAUC ${last(times.rauc)} ms`,
      );
    }
    return figures(times, peaks);
  } finally {
    rauc?.stop();
    server.process.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

function figures(
  times: Record<'floor' | 'agent' | 'rauc', number[]>,
  peaks: Record<'large' | 'small', number[]>,
): AgentInstallFigures {
  const floor = median(times.floor);
  const agent = median(times.agent);
  return {
    installRatio: round(agent / floor, 2),
    installMs: round(agent),
    floorMs: round(floor),
    raucRatio: times.rauc.length === 0 ? null : round(median(times.rauc) / floor, 2),
    peakMiB: round(median(peaks.large) / 1_024, 1),
    peakSmallMiB: round(median(peaks.small) / 1_024, 1),
    runs: times.floor.length,
  };
}

function last(values: number[]): string {
  const value = values.at(-1);
  return value === undefined ? '-' : String(round(value));
}

async function startServer(dir: string): Promise<{ url: string; process: ChildProcess }> {
  const main = join(__dirname, 'artifact-server', 'main.mjs');
  const server = spawn(process.execPath, [main, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve, reject) => {
    server.once('exit', () => reject(new Error('the artifact server did not start')));
    server.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()));
  });
  return { url: `http://127.0.0.1:${port}`, process: server };
}

/** Files that do not compress, as those of a firmware that is compressed already. */
function makeArtifact(dir: string, url: string, files: number): VerifiedTarget {
  const source = join(dir, `source-${files}`);
  for (let file = 0; file < files; file += 1) {
    const folder = join(source, `folder-${file % 20}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${file}`), randomBytes(FILE_BYTES));
  }
  const name = `files-${files}.tar`;
  const file = join(dir, name);
  execFileSync('tar', ['-cf', file, '-C', source, '.']);
  rmSync(source, { recursive: true });
  const bytes = readFileSync(file);
  return {
    name,
    length: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    url: `${url}/${name}`,
    release: { version: '2.0.0', release: 2, securityEpoch: 0, hardware: ['bench'] },
  };
}

function makeBundle(dir: string, rauc: RaucBed): string {
  const bundle = rauc.bundle(randomBytes(FILES * FILE_BYTES));
  copyFileSync(bundle, join(dir, 'image.raucb'));
  rmSync(bundle);
  return 'image.raucb';
}

function bash(script: string, ...args: string[]): void {
  execFileSync('bash', ['-c', script, 'bash', ...args], { stdio: 'ignore' });
}

/** Milliseconds. What an earlier run left to write does not count. */
function timed(dir: string, act: (to: string) => void): number {
  const to = mkdtempSync(join(dir, 'run-'));
  execFileSync('sync', ['-f', dir]);
  const started = performance.now();
  act(to);
  const ms = performance.now() - started;
  rmSync(to, { recursive: true });
  return ms;
}

/** The agent is a process that runs all the time, so its start does not count; it measures the rest itself. */
function installOnce(
  dir: string,
  { args, env }: { args: string[]; env: Record<string, string> },
  target: VerifiedTarget,
) {
  let output = '';
  timed(dir, (to) => {
    output = execFileSync(process.execPath, [...args, JSON.stringify(target), to], {
      encoding: 'utf8',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...env },
    });
  });
  return childFigures.parse(JSON.parse(output));
}
