import { describe, expect, it } from '@jest/globals';
import {
  UPDATE_STATES,
  UnexpectedEventError,
  isBeforeGate,
  isOnTrial,
  nextState,
  type UpdateEvent,
  type UpdateState,
} from '../../../device-agent/update/machine';

const EVENTS: readonly UpdateEvent[] = [
  'admitted',
  'done',
  'doneUntilReboot',
  'failed',
  'withdrawn',
  'passed',
  'refused',
  'healthy',
  'contained',
  'heldBack',
  'notRebooted',
  'resumed',
  'restarted',
];

/** Written down once more, so that no change of the table goes unseen. */
const EXPECTED = `
  idle        admitted         fetching
  idle        restarted        idle
  fetching    done             installing
  fetching    failed           discarding
  fetching    withdrawn        discarding
  fetching    restarted        fetching
  installing  done             installed
  installing  failed           discarding
  installing  withdrawn        discarding
  installing  restarted        fetching
  installed   passed           activating
  installed   refused          discarding
  installed   failed           discarding
  installed   withdrawn        discarding
  installed   restarted        installed
  activating  done             starting
  activating  doneUntilReboot  rebooting
  activating  failed           reverting
  activating  restarted        activating
  rebooting   failed           reverting
  rebooting   restarted        starting
  starting    done             confirming
  starting    failed           reverting
  starting    contained        confirming
  starting    heldBack         confirming
  starting    notRebooted      rebooting
  starting    restarted        starting
  confirming  healthy          committing
  confirming  failed           reverting
  confirming  contained        confirming
  confirming  resumed          starting
  confirming  restarted        starting
  committing  done             idle
  committing  failed           reverting
  committing  restarted        committing
  reverting   done             discarding
  reverting   failed           idle
  reverting   restarted        reverting
  discarding  done             idle
  discarding  failed           idle
  discarding  restarted        discarding
`;

const expected = new Map(
  EXPECTED.trim()
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .map(([from = '', event = '', to = '']) => [`${from} ${event}`, to]),
);
const pairs = UPDATE_STATES.flatMap((state) => EVENTS.map((event) => [state, event] as const));

const reached = (state: UpdateState, event: UpdateEvent): UpdateState | null => {
  try {
    return nextState(state, event);
  } catch {
    return null;
  }
};

describe('the transition table', () => {
  it.each(pairs)('knows where %s goes on %s, or says that it does not', (state, event) => {
    const to = expected.get(`${state} ${event}`);
    if (to !== undefined) expect(nextState(state, event)).toBe(to);
    else {
      expect(() => nextState(state, event)).toThrow(UnexpectedEventError);
      expect(() => nextState(state, event)).toThrow(`from ${state} on ${event}`);
    }
  });

  it('lets every state fail and every state be taken up by a new life', () => {
    for (const state of UPDATE_STATES) {
      expect(reached(state, 'restarted')).not.toBeNull();
      if (state !== 'idle') expect(reached(state, 'failed')).not.toBeNull();
    }
  });

  it('leads past the gate by the one event that says so', () => {
    const past = pairs.filter(([state, event]) => {
      const to = reached(state, event);
      return isBeforeGate(state) && to !== null && !isBeforeGate(to) && to !== 'discarding';
    });
    expect(past).toEqual([['installed', 'passed']]);
  });

  it('leads from a release on trial to a commit or a rollback only', () => {
    const ends = pairs.flatMap(([state, event]) => {
      const to = reached(state, event);
      return isOnTrial(state) && to !== null && !isOnTrial(to) ? [`${state} ${event} ${to}`] : [];
    });
    expect(ends).toEqual([
      'rebooting failed reverting',
      'starting failed reverting',
      'confirming failed reverting',
      'committing done idle',
      'committing failed reverting',
    ]);
  });
});
