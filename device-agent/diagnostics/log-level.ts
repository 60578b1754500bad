import { readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { parseJson, problemOf } from '../errors';
import { writeFileAtomically } from '../state/atomic-file';

const raisedFile = z.object({
  level: z.enum(['debug', 'info', 'warn']),
  /** Not yet used up, and not counting the tick under way. */
  leftMs: z.number().min(0).max(86_400_000),
  /** ISO 8601, by the clock of the wall. */
  until: z.iso.datetime(),
});
type Raised = z.infer<typeof raisedFile>;

/** How much is taken off the time on disk at once: a restart loses as much at most. */
const TICK_MS = 60_000;

/**
 * The level of one agent's log, for a time other than the configured one. It returns by a timer, which no jump of the
 * clock moves. On disk the time that is left is taken off in advance, tick by tick, so that an agent that restarts for
 * ever, on a device whose clock starts in the past each time, does not keep the level for ever either.
 */
export class LogLevel {
  private readonly path: string;
  private readonly configured: string;
  /** Child loggers keep the level that they were made with, so each that is made is noted. */
  private readonly loggers: Set<WeakRef<Logger>>;
  private raised: Raised | null = null;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly log: Logger,
    stateDir: string,
    private readonly now: () => Date = () => new Date(),
  ) {
    this.path = join(stateDir, 'log-level.json');
    this.configured = log.level;
    this.loggers = new Set([new WeakRef(log)]);
    const before = log.onChild.bind(log);
    log.onChild = (child) => {
      before(child);
      this.loggers.add(new WeakRef(child));
    };
    this.resume();
  }

  /** What holds for a time, for the device's status; null where the configured level does. */
  get current(): { level: string; until: string } | null {
    return this.raised;
  }

  raise(level: Raised['level'], forSeconds: number): { level: string; until: string } {
    const leftMs = forSeconds * 1_000;
    const until = new Date(this.now().getTime() + leftMs).toISOString();
    this.begin({ level, leftMs, until });
    return { level, until };
  }

  /** Ends the timer; what is left goes on after a restart. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private resume(): void {
    let raised: Raised;
    try {
      raised = raisedFile.parse(parseJson(readFileSync(this.path, 'utf8')));
    } catch {
      return;
    }
    const untilMs = new Date(raised.until).getTime() - this.now().getTime();
    this.begin({ ...raised, leftMs: Math.min(raised.leftMs, untilMs) });
  }

  private begin(raised: Raised): void {
    this.stop();
    if (raised.leftMs <= 0) {
      this.end();
      return;
    }
    const tick = Math.min(TICK_MS, raised.leftMs);
    this.raised = { ...raised, leftMs: raised.leftMs - tick };
    const text = JSON.stringify(this.raised);
    const problem = problemOf(() => writeFileAtomically(this.path, text));
    if (problem !== null) this.log.error({ event: 'log level not kept', reason: problem });
    this.set(raised.level);
    const left = this.raised;
    this.timer = setTimeout(() => this.begin(left), tick);
    this.timer.unref();
  }

  private end(): void {
    this.raised = null;
    this.set(this.configured);
    // It may not exist; one that stays has no time left in it.
    problemOf(() => unlinkSync(this.path));
  }

  private set(level: string): void {
    for (const reference of this.loggers) {
      const logger = reference.deref();
      if (logger === undefined) this.loggers.delete(reference);
      else logger.level = level;
    }
  }
}
