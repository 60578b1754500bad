import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SEARCH_ATTRIBUTES } from '../../domain/temporal';
import { startChild, type Child } from './child';
import { freePorts } from './free-port';
import { isServing } from './grpc-health';
import { findTemporal, type TemporalCli } from './temporal-binary';

export interface TemporalOptions {
  /** Keeps the server's database and log here, so that it survives kill -9; in memory without it. */
  dir?: string;
  /** Free ones are chosen when absent. */
  port?: number;
  uiPort?: number;
  log?: (line: string) => void;
}

export interface TemporalServer {
  address: string;
  uiUrl: string;
  namespace: 'default';
  pid: number;
  /** Resolves when the server has ended, stopped or not. */
  exited: Promise<unknown>;
  stop(): Promise<void>;
}

interface Ports {
  port: number;
  uiPort: number;
}

/** The search attributes of the project, as flags of `temporal server start-dev`. */
export function searchAttributeFlags(): string[] {
  return SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]);
}

/**
 * One history shard polls its queues 20 times a second by default, which adds 50 ms to every task;
 * a cluster with many shards does not need these.
 */
export const DYNAMIC_CONFIG = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
] as const;

const START_ATTEMPTS = 3;
const READY_WITHIN_MS = 60_000;

/** Starts a Temporal dev server on 127.0.0.1 and returns once its front end serves. */
export async function startTemporal(options: TemporalOptions = {}): Promise<TemporalServer> {
  const log = options.log ?? (() => undefined);
  const cli = await findTemporal({ log });
  let failure = '';
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    const ports = await choosePorts(options);
    const address = `127.0.0.1:${ports.port}`;
    const child = startServer(cli, ports, options.dir);
    if (await becomesReady(child, address)) {
      const uiUrl = `http://127.0.0.1:${ports.uiPort}`;
      log(`Temporal serves at ${address}, its UI at ${uiUrl}`);
      return {
        address,
        uiUrl,
        namespace: 'default',
        pid: child.pid,
        exited: child.exited,
        stop: () => child.stop(),
      };
    }
    await child.stop();
    failure = child.tail();
    // Only a port that someone else took in between is worth another try.
    if (!/address already in use|can't set/i.test(failure)) break;
  }
  throw new Error(`The Temporal server did not start:\n${failure}`);
}

async function choosePorts(options: TemporalOptions): Promise<Ports> {
  const [port = 0, uiPort = 0] = await freePorts(2);
  return { port: options.port ?? port, uiPort: options.uiPort ?? uiPort };
}

function startServer(cli: TemporalCli, ports: Ports, dir: string | undefined): Child {
  const inDocker = cli.source === 'docker';
  const server = [
    'server',
    'start-dev',
    ...['--ip', inDocker ? '0.0.0.0' : '127.0.0.1'],
    ...['--port', String(ports.port), '--ui-port', String(ports.uiPort)],
    ...['--log-level', 'error'],
    ...searchAttributeFlags(),
    ...DYNAMIC_CONFIG.flatMap((value) => ['--dynamic-config-value', value]),
    ...(dir !== undefined ? ['--db-filename', join(dir, 'temporal.db')] : []),
  ];
  return startChild({
    name: 'temporal',
    command: cli.command,
    args: inDocker ? [...dockerRun(cli.image, ports, dir), ...server] : server,
    ...(dir !== undefined && { dir }),
  });
}

/** Published on the loopback interface only; the database is mounted under its own path and owned by the user. */
function dockerRun(image: string, { port, uiPort }: Ports, dir: string | undefined): string[] {
  const user = `${process.getuid?.() ?? 1000}:${process.getgid?.() ?? 1000}`;
  return [
    ...['run', '--rm', '--init', '--user', user],
    ...[port, uiPort].flatMap((each) => ['--publish', `127.0.0.1:${each}:${each}`]),
    ...(dir !== undefined ? ['--volume', `${dir}:${dir}`] : []),
    image,
  ];
}

async function becomesReady(child: Child, address: string): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (child.running() && Date.now() < deadline) {
    if (await isServing(address)) return true;
    await sleep(50);
  }
  return false;
}
