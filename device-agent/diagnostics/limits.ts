/** Over everything that one bundle takes, its upload included. */
export interface Limits {
  /** Collecting and uploading. */
  totalMs: number;
  /** Collecting stops here, so that what there is still gets away. */
  collectMs: number;
  /** Of the bundle before it is compressed, so that it is as small again wherever it is unpacked. */
  bytes: number;
  /** By which the process may grow meanwhile. */
  memoryBytes: number;
  /** Files, folders and everything else met below one root. */
  entries: number;
  depth: number;
}

export const LIMITS: Limits = {
  totalMs: 60_000,
  collectMs: 40_000,
  bytes: 10_000_000,
  memoryBytes: 64 * 1_048_576,
  entries: 10_000,
  depth: 32,
};

/** Thrown by collectors where the whole bundle has come to a limit; what was written before stays. */
export class BudgetSpentError extends Error {
  constructor(readonly limit: string) {
    super(`the bundle has come to its limit of ${limit}`);
    this.name = 'BudgetSpentError';
  }
}

/** Time by the monotonic clock; the clock of the wall may jump. */
export class Budget {
  private readonly startedAt = performance.now();
  private readonly rssAtStart = process.memoryUsage.rss();

  constructor(
    readonly limits: Limits,
    private readonly signal: AbortSignal,
  ) {}

  /** Asked before each step of a collector. */
  check(): void {
    this.signal.throwIfAborted();
    if (this.elapsedMs() > this.limits.collectMs) throw new BudgetSpentError('time');
    const growth = process.memoryUsage.rss() - this.rssAtStart;
    if (growth > this.limits.memoryBytes) throw new BudgetSpentError('memory');
  }

  /** Whole milliseconds. */
  remainingMs(): number {
    return Math.max(0, Math.ceil(this.limits.totalMs - this.elapsedMs()));
  }

  private elapsedMs(): number {
    return performance.now() - this.startedAt;
  }
}
