export interface BackoffSettings {
  baseMs: number;
  capMs: number;
}

/**
 * Exponential back-off with full jitter: a fleet that lost its broker together must not come back together.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly settings: BackoffSettings,
    private readonly random: () => number = Math.random,
  ) {}

  /** Milliseconds to wait before the next attempt, anywhere between 0 and the current ceiling. */
  next(): number {
    const delay = Math.floor(this.random() * this.ceiling());
    this.attempt += 1;
    return delay;
  }

  /** The longest that `next` may answer now. */
  ceiling(): number {
    return Math.min(this.settings.capMs, this.settings.baseMs * 2 ** Math.min(this.attempt, 30));
  }

  reset(): void {
    this.attempt = 0;
  }
}
