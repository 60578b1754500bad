import type { Logger } from 'pino';
import type { AgentConfig } from './config';
import type { Connection } from './connection/connection';
import type { JobRunner } from './jobs/runner';

export interface WatchdogSettings {
  /** The pending list is read this often although nothing was said: a lost notice costs no more. */
  readEveryMs: number;
  /** Connected this long without a wanted reading of the list: the session is given up for another, again and again. */
  staleMs: number;
  /** Connected this long without one: the agent itself is given up. */
  giveUpMs: number;
  /** An operation, long ones aside, that takes longer has hung; longer than any configured grace. */
  operationMs: number;
}

/** What the watchdog looks at. */
export interface Watched {
  connected: () => boolean;
  /** The pending list was wanted and has not been read since. */
  unread: () => boolean;
  /** The operation that has run longest, those aside that may take days. */
  longestOperation: () => { key: string; ms: number } | null;
}

export interface WatchdogActions {
  read: () => void;
  reconnect: (reason: string) => void;
  /** The supervisor starts the agent anew. Called once. */
  giveUp: (reason: string) => void;
}

const CHECKS_PER_STALE = 20;

export function watchJobs(
  { watchdog, application }: Pick<AgentConfig, 'watchdog' | 'application'>,
  connection: Pick<Connection, 'open' | 'reconnect'>,
  runner: Pick<JobRunner, 'unread' | 'longestOperation' | 'hint'>,
  giveUp: (reason: string) => void,
  log: Logger,
): Watchdog {
  // `contain` waits for the application's grace.
  const operationMs = watchdog.operationMs + (application?.graceMs ?? 0);
  const watched = {
    connected: () => connection.open,
    unread: () => runner.unread,
    longestOperation: () => runner.longestOperation(),
  };
  const actions = {
    read: () => runner.hint(),
    reconnect: (reason: string) => connection.reconnect(reason),
    giveUp,
  };
  return new Watchdog({ ...watchdog, operationMs }, watched, actions, log);
}

/**
 * Sees that jobs get through, and heals in two steps: another session, then another agent. Only time while
 * connected counts: an agent that is offline for weeks is not wedged. A Jobs service that is down looks the same
 * from here and restarting would cost the application its run, so the last step is late and jittered, or a
 * fleet would restart together.
 */
export class Watchdog {
  private unreadMs = 0;
  private sinceReadMs = 0;
  private reconnects = 0;
  private gaveUp = false;
  private checkedAt: number;
  private readonly everyMs: number;
  private readonly giveUpMs: number;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly settings: WatchdogSettings,
    private readonly watched: Watched,
    private readonly actions: WatchdogActions,
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.everyMs = Math.max(1, Math.floor(settings.staleMs / CHECKS_PER_STALE));
    this.giveUpMs = settings.giveUpMs * (1 + Math.random() / 4);
    this.checkedAt = now();
  }

  start(): void {
    this.checkedAt = this.now();
    this.timer ??= setInterval(() => this.check(), this.everyMs).unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  check(): void {
    const at = this.now();
    // A device that slept, or an event loop that stood still, has not been waiting for an answer.
    const passed = Math.min(at - this.checkedAt, 2 * this.everyMs);
    this.checkedAt = at;
    if (this.gaveUp) return;
    const operation = this.watched.longestOperation();
    if (operation !== null && operation.ms > this.settings.operationMs) {
      this.giveUp(`operation ${operation.key} runs for ${Math.round(operation.ms / 1_000)} s`);
    } else if (this.watched.connected()) {
      this.watchReading(passed);
    }
  }

  private watchReading(passed: number): void {
    this.sinceReadMs += passed;
    if (!this.watched.unread()) {
      this.unreadMs = 0;
      this.reconnects = 0;
      if (this.sinceReadMs < this.settings.readEveryMs) return;
      this.sinceReadMs = 0;
      this.actions.read();
      return;
    }
    this.unreadMs += passed;
    const seconds = Math.round(this.unreadMs / 1_000);
    if (this.unreadMs >= this.giveUpMs) {
      this.giveUp(`pending jobs not read for ${seconds} s, over ${this.reconnects} reconnects`);
    } else if (this.unreadMs >= (this.reconnects + 1) * this.settings.staleMs) {
      this.reconnects += 1;
      this.actions.reconnect(`pending jobs not read for ${seconds} s`);
    }
  }

  private giveUp(reason: string): void {
    this.gaveUp = true;
    this.log.error({ event: 'wedged', reason });
    this.actions.giveUp(reason);
  }
}
