import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import type { Logger } from 'pino';
import { Backoff, type BackoffSettings } from '../connection/backoff';
import { messageOf } from '../errors';
import { OrphanRecord, killGroup } from './orphan';
import { readLines } from './output';

export interface ApplicationSettings {
  command: string;
  args: string[];
  /** The whole environment: the agent's own is not inherited, for it may hold secrets. */
  env: Record<string, string>;
  /** From SIGTERM to SIGKILL. */
  graceMs: number;
  restart: BackoffSettings & { stableAfterMs: number };
  /** Lines read each second; beyond that the pipe is left full and the application has to wait. */
  maxLinesPerSecond: number;
}

export type ApplicationState = 'running' | 'stopped' | 'failed';

export type StartResult =
  { ok: true; state: ApplicationState } | { ok: false; state: ApplicationState; reason: string };

export type StopResult =
  | { was: 'running'; pid: number; signal: 'SIGTERM' | 'SIGKILL' | 'itself' }
  | { was: 'not running' | 'not configured' };

export interface ApplicationEvents {
  onLine: (line: string) => void;
  onState: (state: ApplicationState) => void;
  /** It is about to be started again, after an end of its own. */
  onRestart: () => void;
}

interface Running {
  child: ChildProcessWithoutNullStreams;
  pid: number;
  exited: Promise<void>;
}

/** A process that outlives SIGKILL for this long is stuck in the kernel. */
const KILL_TIMEOUT_MS = 5_000;

/**
 * Keeps one application process running: started without a shell, as the leader of its own process group, and
 * started again with back-off when it ends by itself. INVARIANT: `wanted` false means that no process is running
 * or about to be started once `stop` has resolved.
 */
export class Application {
  private running: Running | null = null;
  /** Why the process could not be started, or null. */
  private launching: Promise<string | null> | null = null;
  private wanted = false;
  private restartTimer: NodeJS.Timeout | null = null;
  private restartsSinceTaken = 0;
  private stateNow: ApplicationState = 'stopped';
  /** Told of the end of an application on trial, instead of a restart. */
  private onTrialEnd: ((how: string) => void) | null = null;
  private readonly backoff: Backoff;
  private readonly orphan: OrphanRecord;

  constructor(
    private readonly settings: ApplicationSettings | null,
    stateFolder: string,
    private readonly events: ApplicationEvents,
    private readonly log: Logger,
    /** Where it runs, asked before each start: an update may have moved it. Undefined: where the agent runs. */
    private readonly folder: () => Promise<string | undefined> = () => Promise.resolve(undefined),
  ) {
    this.backoff = new Backoff(settings?.restart ?? { baseMs: 1_000, capMs: 1_000 });
    this.orphan = new OrphanRecord(stateFolder);
  }

  get state(): ApplicationState {
    return this.stateNow;
  }

  /** Restarts since the last call. */
  takeRestarts(): number {
    const taken = this.restartsSinceTaken;
    this.restartsSinceTaken = 0;
    return taken;
  }

  giveBackRestarts(count: number): void {
    this.restartsSinceTaken += count;
  }

  /** Ends what an earlier, killed agent left running. Before the first `start`. */
  async reapOrphan(): Promise<void> {
    const pid = await this.orphan.reap();
    if (pid !== null) this.log.warn({ event: 'orphaned application killed', pid });
  }

  /** Leaves a running application alone. Where it can't be started it is tried again with back-off. */
  async start(): Promise<StartResult> {
    if (this.settings === null) return { ok: true, state: 'stopped' };
    this.wanted = true;
    if (this.running !== null) return { ok: true, state: this.stateNow };
    if (this.restartTimer !== null) clearTimeout(this.restartTimer);
    this.restartTimer = null;
    this.launching ??= this.launch(this.settings).finally(() => (this.launching = null));
    const reason = await this.launching;
    if (reason === null) return { ok: true, state: this.stateNow };
    return { ok: false, state: this.stateNow, reason };
  }

  /** As `start`, once: whether it is started again after an end of its own is for `onEnd` to say. */
  try(onEnd: (how: string) => void): Promise<StartResult> {
    this.onTrialEnd = onEnd;
    return this.start();
  }

  /** What was tried is kept: from now on it is started again when it ends. */
  keep(): void {
    this.onTrialEnd = null;
  }

  /** SIGTERM, then SIGKILL after the grace, to the whole process group. Rejects where even that is survived. */
  async stop(): Promise<StopResult> {
    this.wanted = false;
    this.onTrialEnd = null;
    if (this.restartTimer !== null) clearTimeout(this.restartTimer);
    this.restartTimer = null;
    if (this.settings === null) return { was: 'not configured' };
    await this.launching;
    const { running } = this;
    if (running === null) {
      this.enter('stopped');
      return { was: 'not running' };
    }
    const { pid } = running;
    killGroup(pid, 'SIGTERM');
    let signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM';
    if (!(await endsWithin(running.exited, this.settings.graceMs))) {
      signal = 'SIGKILL';
      killGroup(pid, 'SIGKILL');
      if (!(await endsWithin(running.exited, KILL_TIMEOUT_MS))) {
        throw new Error(`process ${pid} survives SIGKILL`);
      }
    }
    return { was: 'running', pid, signal };
  }

  /** One JSON line on the application's standard input; dropped where it does not read. */
  send(message: object): void {
    const stdin = this.running?.child.stdin;
    if (stdin?.writable === true && !stdin.writableNeedDrain) {
      stdin.write(`${JSON.stringify(message)}\n`);
    }
  }

  /** Null once the process is running, otherwise why it is not. */
  private async launch(settings: ApplicationSettings): Promise<string | null> {
    const { command, args, env } = settings;
    try {
      const cwd = await this.folder();
      if (!this.wanted) return 'stopped meanwhile';
      const child = spawn(command, args, { cwd, env, detached: true, stdio: 'pipe' });
      await once(child, 'spawn');
      if (child.pid === undefined) throw new Error('no process');
      this.adopt(child, child.pid, settings);
      return null;
    } catch (error) {
      const reason = messageOf(error);
      this.log.error({ event: 'application not started', reason });
      this.restartLater();
      return reason;
    }
  }

  private adopt(
    child: ChildProcessWithoutNullStreams,
    pid: number,
    settings: ApplicationSettings,
  ): void {
    const stable = setTimeout(() => this.backoff.reset(), settings.restart.stableAfterMs);
    const exited = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        clearTimeout(stable);
        this.onExit(pid, code, signal);
        resolve();
      });
    });
    this.running = { child, pid, exited };
    this.remember(pid);
    this.log.info({ event: 'application started', pid });
    child.on('error', (error) => this.log.warn({ event: 'application', reason: error.message }));
    // An application that closed its input, or is gone, must not take the agent with it.
    child.stdin.on('error', () => undefined);
    readLines(child, settings.maxLinesPerSecond, this.events.onLine);
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      this.log.debug({ event: 'application says', text: text.slice(0, 1_000) });
    });
    this.enter('running');
  }

  /** A full disk must not keep the application from running. */
  private remember(pid: number): void {
    try {
      this.orphan.remember(pid);
    } catch (error) {
      this.log.error({ event: 'application not recorded', pid, reason: String(error) });
    }
  }

  private onExit(pid: number, code: number | null, signal: string | null): void {
    this.running = null;
    // Children that it left behind would run on unsupervised.
    killGroup(pid, 'SIGKILL');
    this.orphan.forget();
    const reason = signal === null ? `exit code ${code}` : `ended by ${signal}`;
    const entry = { event: 'application ended', pid, code, signal, wanted: this.wanted, reason };
    if (this.wanted) this.log.error(entry);
    else this.log.info(entry);
    const { onTrialEnd } = this;
    if (this.wanted) this.restartLater();
    else this.enter('stopped');
    onTrialEnd?.(reason);
  }

  private restartLater(): void {
    if (!this.wanted) return;
    this.enter('failed');
    if (this.onTrialEnd !== null) return;
    this.restartTimer = setTimeout(() => {
      this.restartTimer = null;
      this.restartsSinceTaken += 1;
      this.events.onRestart();
      void this.start();
    }, this.backoff.next());
  }

  private enter(state: ApplicationState): void {
    if (state === this.stateNow) return;
    this.stateNow = state;
    this.events.onState(state);
  }
}

async function endsWithin(exited: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const ended = await Promise.race([exited.then(() => true), timeUp]);
  clearTimeout(timer);
  return ended;
}
