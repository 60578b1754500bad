import { messageOf } from '../errors';
import { isBeforeGate, type UpdateEvent, type UpdateState } from './machine';
import { UpdateRefusedError } from './types';
import type { CurrentUpdate, UpdateFailure } from './update-journal';

/** How a step ended. */
export interface Turn {
  event: UpdateEvent;
  /** Why, where the update is on its way out from here. */
  failure?: UpdateFailure;
}

/**
 * Entries into a state, over all lives of the agent: an update that is interrupted each time must end, too. Mender
 * stops at as many stores of its state.
 */
const MAX_ENTRIES = 28;
/** What the way out may take beyond that. */
const ENTRIES_TO_LEAVE = 4;
/** Only new lives and containments lead back to where an update was, so only they can go on for ever. */
const REPEATING: ReadonlySet<UpdateEvent> = new Set([
  'restarted',
  'resumed',
  'contained',
  'heldBack',
  'notRebooted',
]);
const MAX_REASON = 1_000;

export function failed(step: UpdateState, error: unknown): Turn & { failure: UpdateFailure } {
  const status = error instanceof UpdateRefusedError && isBeforeGate(step) ? 'REJECTED' : 'FAILED';
  const reason = messageOf(error).slice(0, MAX_REASON);
  return { event: 'failed', failure: { step, reason, status } };
}

/** `withdrawn` as a status leaves no outcome behind: the update begins anew if its job is offered again. */
export function withdrawn(
  { state }: CurrentUpdate,
  status: UpdateFailure['status'] = 'FAILED',
): Turn {
  const reason =
    status === 'withdrawn'
      ? 'another update went first'
      : 'the job was cancelled, timed out or deleted';
  return { event: 'withdrawn', failure: { step: state, reason, status } };
}

export function bounded(update: CurrentUpdate, turn: Turn): Turn {
  const limit = MAX_ENTRIES + (update.failure === null ? 0 : ENTRIES_TO_LEAVE);
  if (update.entries < limit || !REPEATING.has(turn.event)) return turn;
  return failed(update.state, new Error(`interrupted too often, in ${update.entries} steps`));
}

/** The first failure is the cause; one on the way out is told, too. */
export function joined(
  first: UpdateFailure | null,
  then: UpdateFailure | undefined,
): UpdateFailure | null {
  if (then === undefined) return first;
  if (first === null) return then;
  const reason = `${first.reason}; then ${then.step}: ${then.reason}`.slice(0, MAX_REASON);
  return { ...first, reason };
}
