import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';

export interface Pace {
  firstMs: number;
  /** Each look waits half as long again, up to this. */
  maxMs: number;
}

const HEARTBEAT_MS = 1000;

/**
 * Looks until `look` has an answer, heartbeating meanwhile; one activity rather than a polling loop in history. What it
 * watches is recomputed from AWS at every look, so an attempt that dies loses nothing. A worker's shutdown fails the attempt
 * retryably, and another worker goes on.
 */
export async function watch<T>(pace: Pace, look: () => Promise<T | undefined>): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    for (let waitMs = pace.firstMs; ; waitMs = Math.min(waitMs * 1.5, pace.maxMs)) {
      const answer = await look();
      if (answer !== undefined) return answer;
      await context.sleep(waitMs);
    }
  } catch (err) {
    if (err instanceof CancelledFailure && err.message === 'WORKER_SHUTDOWN')
      throw ApplicationFailure.retryable('the worker is shutting down', 'WorkerShutdown');
    throw err;
  } finally {
    clearInterval(beat);
  }
}
