import { ApplicationFailure } from '@temporalio/activity';

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
