import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';

export interface Pace {
  firstMs: number;
  /** Each look waits half as long again, up to this. */
  maxMs: number;
}

const HEARTBEAT_MS = 1000;

/**
 * Heartbeats while `work` goes on, which learns of a cancellation in `sleep`. A worker's shutdown fails the attempt retryably,
 * and another worker goes on.
 */
export async function heartbeating<T>(
  work: (sleep: (ms: number) => Promise<void>) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    return await work((ms) => context.sleep(ms));
  } catch (err) {
    if (err instanceof CancelledFailure && err.message === 'WORKER_SHUTDOWN')
      throw ApplicationFailure.retryable('the worker is shutting down', 'WorkerShutdown');
    throw err;
  } finally {
    clearInterval(beat);
  }
}

/**
 * Looks until `look` has an answer; one activity rather than a polling loop in history. What it watches is recomputed from AWS
 * at every look, so an attempt that dies loses nothing.
 */
export const watch = <T>(pace: Pace, look: () => Promise<T | undefined>): Promise<T> =>
  heartbeating(async (sleep) => {
    for (let waitMs = pace.firstMs; ; waitMs = Math.min(waitMs * 1.5, pace.maxMs)) {
      const answer = await look();
      if (answer !== undefined) return answer;
      await sleep(waitMs);
    }
  });
