import { ApplicationFailure } from '@temporalio/activity';
import type { InputIssue } from '../../domain/quarantine/types';

/** One failure that names every field; no retry cures it. */
export const invalidInput = (issues: InputIssue[]): ApplicationFailure =>
  ApplicationFailure.nonRetryable(
    issues.map(({ field, problem }) => `${field}: ${problem}`).join('; '),
    'InvalidInput',
    issues,
  );
