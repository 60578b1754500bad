import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import type { InputIssue } from '../domain/quarantine/types';

/** AWS errors that no retry cures. Throttling, 5xx and time-outs are retried by Temporal. */
const PERMANENT = new Set([
  'InvalidRequestException',
  'InvalidParameterException',
  'ResourceNotFoundException',
  'LimitExceededException',
  'AccessDeniedException',
  'ForbiddenException',
  'UnreadableRecordError',
]);

export const isPermanent = (err: unknown): boolean =>
  err instanceof Error && PERMANENT.has(err.name);

/** Names the AWS error as the failure type; only errors a retry cannot cure are non-retryable. */
export function toFailure(action: string, err: unknown): ApplicationFailure {
  if (err instanceof ApplicationFailure) return err;
  const cause = err instanceof Error ? err : new Error(String(err));
  return ApplicationFailure.create({
    message: `${action}: ${cause.message}`,
    type: cause.name,
    nonRetryable: isPermanent(cause),
    cause,
  });
}

export const isAwsError = (err: unknown, ...names: string[]): boolean =>
  err instanceof Error && names.includes(err.name);

/** What a step throws tells which step it was, and whether a retry is worth it. */
export async function attempt<T>(action: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (err) {
    throw toFailure(action, err);
  }
}

/** The same for a step that may be cancelled, which is no failure of it: the workflow asked for it. */
export async function attemptCancellable<T>(action: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (err) {
    throw err instanceof CancelledFailure ? err : toFailure(action, err);
  }
}

/** One failure that names every field; no retry cures it. */
export const invalidInput = (issues: InputIssue[]): ApplicationFailure =>
  ApplicationFailure.nonRetryable(
    issues.map(({ field, problem }) => `${field}: ${problem}`).join('; '),
    'InvalidInput',
    issues,
  );
