import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { startChild } from './child';
import { cacheDir, findOnPath, hostEnv } from './host';
import { withLock } from './lock';

/** Where the Temporal CLI comes from. */
export type TemporalCli =
  | { source: 'path' | 'cache' | 'built'; command: string }
  | { source: 'docker'; command: string; image: string };

export interface FindTemporalOptions {
  env?: NodeJS.ProcessEnv;
  log?: (line: string) => void;
}

const MODULE_DIR = resolve(__dirname, '..', 'temporal');
const MODULE_FILES = ['go.mod', 'go.sum', 'main.go'];
/** The version that go.mod names. */
const DOCKER_IMAGE = 'temporalio/temporal:1.5.1';
const MISSING =
  'No Temporal server: install Go 1.26 or newer, or put the temporal CLI on PATH (https://docs.temporal.io/cli), or start Docker.';

/** A `temporal` on PATH, one built earlier, a build with Go, or Docker: the first of these that is there. */
export async function findTemporal(options: FindTemporalOptions = {}): Promise<TemporalCli> {
  const env = options.env ?? hostEnv();
  const log = options.log ?? (() => undefined);
  const onPath = findOnPath('temporal', env);
  if (onPath !== undefined) return { source: 'path', command: onPath };

  const cached = join(cacheDir(env), `temporal-${moduleHash()}`, 'temporal');
  if (existsSync(cached)) return { source: 'cache', command: cached };

  const go = findOnPath('go', env);
  if (go !== undefined) {
    await buildOnce(go, cached, log);
    return { source: 'built', command: cached };
  }
  const docker = findOnPath('docker', env);
  if (docker !== undefined && (await succeeds(docker, ['info']))) {
    return { source: 'docker', command: docker, image: DOCKER_IMAGE };
  }
  throw new Error(MISSING);
}

function moduleHash(): string {
  const hash = createHash('sha256');
  for (const file of MODULE_FILES) hash.update(readFileSync(join(MODULE_DIR, file)));
  return hash.digest('hex').slice(0, 16);
}

function buildOnce(go: string, target: string, log: (line: string) => void): Promise<void> {
  return withLock(
    `${dirname(target)}.lock`,
    async () => {
      if (!existsSync(target)) await build(go, target, log);
    },
    () => log('Waiting for another process that is building the Temporal server'),
  );
}

/** Builds beside the target and renames: a build cut short leaves nothing that looks finished. */
async function build(go: string, target: string, log: (line: string) => void): Promise<void> {
  log('Building the Temporal server with Go: 2 to 4 minutes, once on this machine');
  const started = Date.now();
  await mkdir(dirname(target), { recursive: true });
  const scratch = await mkdtemp(join(dirname(target), 'build-'));
  const ticker = setInterval(() => {
    log(`Still building the Temporal server (${seconds(started)} s)`);
  }, 15_000);
  try {
    const output = join(scratch, 'temporal');
    const child = startChild({
      name: 'go-build',
      command: go,
      args: ['build', '-ldflags', '-s -w', '-o', output, '.'],
      cwd: MODULE_DIR,
    });
    const { code } = await child.exited;
    if (code !== 0) {
      throw new Error(
        `The Temporal server could not be built (needs Go 1.26 or newer):\n${child.tail()}`,
      );
    }
    await rename(output, target);
    log(`Built the Temporal server in ${seconds(started)} s`);
  } finally {
    clearInterval(ticker);
    await rm(scratch, { recursive: true, force: true });
  }
}

function seconds(started: number): number {
  return Math.round((Date.now() - started) / 1000);
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  const child = startChild({ name: 'check', command, args });
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const { code } = await child.exited;
  clearTimeout(timer);
  return code === 0;
}
