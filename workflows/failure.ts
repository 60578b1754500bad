import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';

/** What went wrong, for a person: an activity's failure only wraps the reason. */
export function messageOf(err: unknown): string {
  if (!(err instanceof Error)) return String(err);
  return err.cause instanceof Error ? err.cause.message : err.message;
}

/** One clear failure instead of one wrapped in the activity's, which says only that an activity failed. */
const unwrapped = (err: unknown): unknown =>
  err instanceof ActivityFailure && err.cause instanceof ApplicationFailure ? err.cause : err;

/** A step whose own failure is what a person is to read. */
export const orUnwrapped = <T>(step: Promise<T>): Promise<T> =>
  step.catch((err: unknown) => {
    throw unwrapped(err);
  });
