/**
 * A token bucket that may go into debt: what was read is paid for afterwards, so that a rate of less than one
 * network chunk a second works too. Holds at most one second's worth.
 */
export class RateLimit {
  private tokens: number;
  private at: number;

  constructor(
    private readonly bytesPerSecond: number | null,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.tokens = bytesPerSecond ?? 0;
    this.at = this.now();
  }

  /** Milliseconds to wait after reading so many bytes, before any more are read. */
  spend(bytes: number): number {
    if (this.bytesPerSecond === null) return 0;
    const now = this.now();
    const earned = ((now - this.at) * this.bytesPerSecond) / 1_000;
    this.tokens = Math.min(this.bytesPerSecond, this.tokens + earned) - bytes;
    this.at = now;
    return Math.max(0, Math.ceil((-this.tokens * 1_000) / this.bytesPerSecond));
  }
}
