import { spawn } from 'node:child_process';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UpdatesSettings } from '../settings';
import { killGroup } from '../supervisor/orphan';

export type HealthSettings = Pick<
  UpdatesSettings,
  'health' | 'confirmMs' | 'connectWithinMs' | 'checkTimeoutMs'
>;

/** Where a `command` runs, so that it may be part of the release. */
export interface CheckPlace {
  cwd: string | undefined;
  env: Record<string, string>;
}

export interface WatchedRelease {
  place: CheckPlace;
  /** Resolves with how the application ended, if it does. */
  ended: Promise<string>;
  /** What is wrong by the application's own word, or null. */
  complaint: () => string | null;
  /** Whether the cloud answers now; asked once the release is healthy. Never rejects. */
  reachesCloud: () => Promise<boolean>;
}

const CHECK_EVERY_MS = 1_000;
const MAX_BODY = 64 * 1024;

/**
 * Watches a new release for the confirmation time, and on until the agent reaches the cloud under it: a release that cuts
 * off its device could be mended by no other. Resolves with null where it is good, else with what is wrong.
 * An end of the application is final. A check may fail until it has succeeded once, for a start takes its time;
 * after that one failure is enough, and a check that hangs has failed. Rejects where `signal` ends the watching.
 */
export async function watchHealth(
  settings: HealthSettings,
  release: WatchedRelease,
  signal: AbortSignal,
): Promise<string | null> {
  signal.throwIfAborted();
  const over = new AbortController();
  const end = (): void => over.abort();
  signal.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([release.ended, checkUntilOver(settings, release, over.signal)]);
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

async function checkUntilOver(
  settings: HealthSettings,
  release: WatchedRelease,
  signal: AbortSignal,
): Promise<string | null> {
  const { confirmMs, connectWithinMs } = settings;
  const pauseMs = Math.min(CHECK_EVERY_MS, Math.ceil(confirmMs / 5));
  const begun = performance.now();
  const end = begun + confirmMs;
  let wasGood = false;
  for (;;) {
    const problem = release.complaint() ?? (await check(settings, release.place, signal));
    signal.throwIfAborted();
    const left = end - performance.now();
    if (problem === null) wasGood = true;
    else if (wasGood || left <= 0) return problem;
    if (left <= 0) {
      if (await release.reachesCloud()) return null;
      const waited = performance.now() - begun;
      if (waited >= connectWithinMs) return cutOff(waited);
    }
    await sleep(left <= 0 ? pauseMs : Math.min(pauseMs, left), undefined, { signal });
  }
}

/** Whoever reads it knows that the release ran well by itself. */
const cutOff = (ms: number): string =>
  `no connection to the cloud for ${Math.round(ms / 1_000)} s since the new release started`;

async function check(
  { health, checkTimeoutMs }: HealthSettings,
  place: CheckPlace,
  signal: AbortSignal,
): Promise<string | null> {
  switch (health.kind) {
    case 'exit':
      return null;
    case 'http':
      return checkHttp(health.url, checkTimeoutMs, signal);
    case 'command':
      return checkCommand(health, place, checkTimeoutMs, signal);
  }
}

/** 2xx and a body that ends in time, or is longer than anybody reads. Redirects are answers like any other. */
function checkHttp(url: string, timeoutMs: number, signal: AbortSignal): Promise<string | null> {
  const get = url.startsWith('https:') ? httpsGet : httpGet;
  return new Promise((resolve) => {
    const failed = (reason: string): void => end(`${url}: ${reason}`);
    const request = get(url, { agent: false, signal }, (response) => {
      const { statusCode = 0 } = response;
      const good = statusCode >= 200 && statusCode < 300;
      const answered = (): void => end(good ? null : `${url}: HTTP status ${statusCode}`);
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received > MAX_BODY) answered();
      });
      response.once('end', answered);
      response.once('error', (error) => failed(error.message));
    });
    const timer = setTimeout(() => failed(`no answer in ${timeoutMs} ms`), timeoutMs);
    const end = (problem: string | null): void => {
      clearTimeout(timer);
      resolve(problem);
      request.destroy();
    };
    request.on('error', (error) => failed(error.message));
  });
}

/** No shell; a group of its own, so that nothing that it started outlives it. */
function checkCommand(
  { command, args }: { command: string; args: string[] },
  { cwd, env }: CheckPlace,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, detached: true, stdio: 'ignore' });
    const kill = (): void => {
      if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
    };
    let over = false;
    const end = (problem: string | null): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      kill();
      resolve(problem);
    };
    // Not waited for: one that is stuck in the kernel survives its kill.
    const late = (): void => end(`${command}: still running after ${timeoutMs} ms`);
    const timer = setTimeout(late, timeoutMs);
    signal.addEventListener('abort', kill, { once: true });
    child.once('error', (error) => end(`${command}: ${error.message}`));
    child.once('exit', (code, by) =>
      end(code === 0 ? null : `${command}: ${by === null ? `exit code ${code}` : by}`),
    );
  });
}
