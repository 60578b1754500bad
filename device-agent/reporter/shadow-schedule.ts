import type { ReportedState } from '../../domain/device-protocol/telemetry';

const ERROR_EVERY_MS = 300_000;
const CONTEXT_EVERY_MS = 3_600_000;

interface Sent {
  whole: string;
  /** Without what changes by itself. */
  news: string;
  /** Of the last error, without the time at which it came again. */
  error: string | null;
  at: number;
}

/**
 * When a shadow is worth a message: at once for a change that someone may act on, a few minutes after the last for
 * another error, since errors alternate, and once an hour for what only changes by itself, memory above all.
 */
export class ShadowSchedule {
  private sent: Sent | null = null;

  /** Milliseconds that never run backwards. */
  constructor(private readonly now: () => number = () => performance.now()) {}

  isDue(state: ReportedState): boolean {
    const { sent } = this;
    if (sent === null) return true;
    const next = this.summaryOf(state);
    if (next.whole === sent.whole) return false;
    if (next.news !== sent.news) return true;
    const everyMs = next.error === sent.error ? CONTEXT_EVERY_MS : ERROR_EVERY_MS;
    return next.at - sent.at >= everyMs;
  }

  onSent(state: ReportedState): void {
    this.sent = this.summaryOf(state);
  }

  /** On a new connection: whatever the shadow holds by now, it is told anew. */
  reset(): void {
    this.sent = null;
  }

  private summaryOf(state: ReportedState): Sent {
    const { agent, application, ...rest } = state;
    const { version, starts, lastError } = agent;
    const news = { ...rest, version, starts, status: application.status };
    return {
      whole: JSON.stringify(state),
      news: JSON.stringify(news),
      error: lastError?.what ?? null,
      at: this.now(),
    };
  }
}
