import { ApplicationFailure } from '@temporalio/activity';
import type { GuardSwitch } from '../../domain/guard/types';

/** Failure types, for runbooks that tell them apart. */
export const GUARD_FAILURES = {
  stopped: 'GuardStopped',
  unreachable: 'GuardUnreachable',
  leaseLost: 'LeaseLost',
  approvalRejected: 'ApprovalRejected',
  nothingSelected: 'NothingSelected',
} as const;

const RETRY_AFTER = '5 seconds';

export const guardStopped = (state: GuardSwitch): ApplicationFailure =>
  ApplicationFailure.create({
    type: GUARD_FAILURES.stopped,
    message:
      `The kill switch is at stop since ${new Date(state.at).toISOString()}, by ${state.by}: ${state.reason}. ` +
      'Nothing acts until someone runs: npm run guard -- resume --by <name> --reason <why>',
    nextRetryDelay: RETRY_AFTER,
  });

export const guardUnreachable = (problem: string, cause?: Error): ApplicationFailure =>
  ApplicationFailure.create({
    type: GUARD_FAILURES.unreachable,
    message: `The guard can't be asked, so nothing acts: ${problem}`,
    nextRetryDelay: RETRY_AFTER,
    ...(cause !== undefined && { cause }),
  });

export const leaseLost = (problem: string): ApplicationFailure =>
  ApplicationFailure.create({
    type: GUARD_FAILURES.leaseLost,
    message: problem,
    nonRetryable: true,
  });

export const approvalRejected = (reason: string): ApplicationFailure =>
  ApplicationFailure.create({
    type: GUARD_FAILURES.approvalRejected,
    message: `The approval is refused: ${reason}`,
    nonRetryable: true,
  });

export const nothingSelected = (problem: string): ApplicationFailure =>
  ApplicationFailure.create({
    type: GUARD_FAILURES.nothingSelected,
    message: problem,
    nonRetryable: true,
  });
