/**
 * The whole update protocol. Before the commit gate nothing that runs was touched, so what goes wrong is discarded;
 * after it the way out is `reverting`, which one atomic step of the installer does. `restarted` is what a new life of
 * the agent says to the state that the last one left on disk. A pair missing here is a bug, not a no-op.
 */
const TRANSITIONS = {
  idle: {
    admitted: 'fetching',
    restarted: 'idle',
  },

  /** Before the gate: an artifact on its way to the slot that is not running. Needs the job to go on. */
  fetching: {
    done: 'installing',
    failed: 'discarding',
    withdrawn: 'discarding',
    restarted: 'fetching',
  },
  installing: {
    done: 'installed',
    failed: 'discarding',
    withdrawn: 'discarding',
    restarted: 'fetching',
  },
  /** At the gate: whole and synced, and nobody but the Jobs service may let it go further. */
  installed: {
    passed: 'activating',
    refused: 'discarding',
    failed: 'discarding',
    withdrawn: 'discarding',
    restarted: 'installed',
  },

  /** After the gate: goes on without a network, and nothing calls it off any more. */
  activating: {
    done: 'starting',
    doneUntilReboot: 'rebooting',
    failed: 'reverting',
    restarted: 'activating',
  },
  /** The device restarts; which slot runs tells a later life whether it did. */
  rebooting: {
    failed: 'reverting',
    restarted: 'starting',
  },
  /** Entered once for each start of the unconfirmed slot, which is counted on disk first. */
  starting: {
    done: 'confirming',
    failed: 'reverting',
    contained: 'confirming',
    heldBack: 'confirming',
    notRebooted: 'rebooting',
    restarted: 'starting',
  },
  /** Watched for the confirmation time; on a contained device it waits, with the application stopped. */
  confirming: {
    healthy: 'committing',
    failed: 'reverting',
    contained: 'confirming',
    resumed: 'starting',
    restarted: 'starting',
  },
  committing: {
    done: 'idle',
    failed: 'reverting',
    restarted: 'committing',
  },

  /** Ways out. Where even they fail the update ends all the same: each start of the agent tries to revert again. */
  reverting: {
    done: 'discarding',
    failed: 'idle',
    restarted: 'reverting',
  },
  discarding: {
    done: 'idle',
    failed: 'idle',
    restarted: 'discarding',
  },
} as const satisfies Record<string, Record<string, string>>;

export type UpdateState = keyof typeof TRANSITIONS;
type EventsOf<S extends UpdateState> = S extends UpdateState
  ? keyof (typeof TRANSITIONS)[S]
  : never;
export type UpdateEvent = EventsOf<UpdateState>;

export const UPDATE_STATES = [
  'idle',
  'fetching',
  'installing',
  'installed',
  'activating',
  'rebooting',
  'starting',
  'confirming',
  'committing',
  'reverting',
  'discarding',
] as const satisfies readonly UpdateState[];

const BEFORE_GATE: ReadonlySet<UpdateState> = new Set(['fetching', 'installing', 'installed']);
const ON_TRIAL: ReadonlySet<UpdateState> = new Set([
  'rebooting',
  'starting',
  'confirming',
  'committing',
]);

/** Needs its job to go on, and may still be called off. */
export const isBeforeGate = (state: UpdateState): boolean => BEFORE_GATE.has(state);
/** The active slot is the new one, and nobody has confirmed it yet. */
export const isOnTrial = (state: UpdateState): boolean => ON_TRIAL.has(state);

/** A bug in the agent. The updater ends the update with a rollback, and the job with this message. */
export class UnexpectedEventError extends Error {
  constructor(state: UpdateState, event: UpdateEvent) {
    super(`the update has no way to go from ${state} on ${event}`);
    this.name = 'UnexpectedEventError';
  }
}

export function nextState(state: 'idle', event: 'admitted'): 'fetching';
export function nextState(state: UpdateState, event: UpdateEvent): UpdateState;
export function nextState(state: UpdateState, event: UpdateEvent): UpdateState {
  const row: Partial<Record<UpdateEvent, UpdateState>> = TRANSITIONS[state];
  const to = row[event];
  if (to === undefined) throw new UnexpectedEventError(state, event);
  return to;
}
