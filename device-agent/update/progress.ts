import type { OperationContext } from '../operations/types';

const EVERY_MS = 5_000;
const EVERY_PERCENT = 10;

/**
 * Tells the Jobs service how far an update is, no more often than it is worth. Nobody else tells an update that its
 * job was cancelled, so each answer is looked at: `onGone` is called once.
 */
export class Progress {
  private asking: Promise<void> | null = null;
  private lastAt = -Infinity;
  private lastPercent = -EVERY_PERCENT;

  constructor(
    private readonly context: OperationContext,
    private readonly onGone: () => void,
  ) {}

  received(bytes: number, length: number): void {
    const percent = Math.floor((100 * bytes) / length);
    const due =
      performance.now() - this.lastAt >= EVERY_MS || percent - this.lastPercent >= EVERY_PERCENT;
    if (!due || this.asking !== null) return;
    this.lastAt = performance.now();
    this.lastPercent = percent;
    void this.tell({ step: 'fetching', percent: String(percent) });
  }

  /** One at a time; where another report is under way this one waits for it and is left out. */
  async tell(details: Record<string, string>): Promise<void> {
    this.asking ??= this.context.progress(details).then((answer) => {
      this.asking = null;
      if (answer === 'gone') this.onGone();
    });
    await this.asking;
  }

  /** Resolves once no report is under way. */
  async settled(): Promise<void> {
    await this.asking;
  }
}
