import { changesOf, type Change, type LedgerCall, type LedgerFacts } from './ledger-changes';

export type { LedgerCall };

/** A second change of state where one was asked for. */
export interface Duplicate {
  resource: string;
  /** What a responder should read. */
  what: string;
  /** Index of the call that made the first such change and of the one that made it again. */
  first: number;
  again: number;
}

interface ResourceState {
  value: string;
  /** The call that first brought the resource to each value. */
  entered: Map<string, number>;
}

/**
 * Duplicate side effects among the calls of one cycle (one containment and its release), in the order they arrived.
 *
 * A request that finds its effect done is a repeat, not a duplicate: adding a member again, attaching a policy again, a
 * job that already exists. A duplicate changed state a second time: a member added, removed and added, a second job for
 * the same step, a session dropped that began under the Deny, a counter moved twice for one owner. Calls that AWS did
 * not carry out change nothing. Pure.
 */
export function duplicateSideEffects(calls: readonly LedgerCall[]): Duplicate[] {
  const states = new Map<string, ResourceState>();
  const facts: LedgerFacts = {
    counters: new Map(),
    deniedSince: new Map(),
    sessions: new Map(),
  };
  const duplicates: Duplicate[] = [];
  for (const call of calls) {
    if (call.status === null || call.status < 200 || call.status >= 300) continue;
    for (const change of changesOf(call, facts)) {
      const duplicate = apply(states, change, call);
      if (duplicate !== null) duplicates.push(duplicate);
    }
  }
  return duplicates;
}

function apply(
  states: Map<string, ResourceState>,
  change: Change,
  call: LedgerCall,
): Duplicate | null {
  const { resource, value } = change;
  const state: ResourceState = states.get(resource) ?? {
    value: change.initial,
    entered: new Map(),
  };
  states.set(resource, state);
  if (state.value === value && change.kind !== 'event') return null;
  const earlier = change.kind === 'once' ? firstOf(state) : state.entered.get(value);
  state.value = value;
  state.entered.set(value, earlier ?? call.index);
  const first = earlier ?? change.since;
  if (first === undefined) return null;
  return { resource, what: `${call.operation}: ${value} again`, first, again: call.index };
}

const firstOf = (state: ResourceState): number | undefined => [...state.entered.values()][0];
