import { THING_NAME } from '../names';
import { capsFor } from './caps';
import type { GuardSwitch, RefusalReason } from './types';
import { APPROVERS_NEEDED, CAP_LIMITS } from './types';

export const RATE_WINDOW_MS = 60_000;
/** A reservation changes one table item per thing in one transaction, which AWS limits to 100 items. */
export const MAX_THINGS = 90;

const ONLY_BREAK_GLASS = 'Only break-glass goes further.';

/** What the guard knows at one moment. */
export interface GuardView {
  switch: GuardSwitch;
  fleetSize: number;
  /** Things that count as contained now, over all runbooks. */
  containedNow: number;
  /** When things were contained without a person: one time per thing. */
  recentAutomatic: number[];
  /** Leases of the requested things, whoever holds them, and all of the owner's. */
  leases: { thing: string; owner: string }[];
  /** Distinct people whose tokens verify now for this workflow and these targets. */
  approvers: string[];
}

export interface ReservationRequest {
  owner: string;
  things: string[];
}

export interface Refusal {
  outcome: 'refused';
  reason: RefusalReason;
  /** One sentence for a responder. */
  explanation: string;
  /** Refused by the rate alone: when it would be automatic. Null where waiting does not help. */
  retryAfterMs: number | null;
}

/** `held`: the owner has it all already. `newThings` are the ones that count from now on. */
export type Decision =
  | { outcome: 'granted'; path: 'held' | 'automatic' | 'approved'; newThings: string[] }
  | { outcome: 'stopped' }
  | Refusal;

/** A lapsed lease of another owner still blocks: the caller reclaims what has lapsed and asks again. */
export function decideReservation(
  view: GuardView,
  request: ReservationRequest,
  now: number,
): Decision {
  if (view.switch.state === 'stop') return { outcome: 'stopped' };
  const things = soundThings(request.things);
  if (things === null) return refuse('nothingSelected', describeNothing(request.things));

  const others = view.leases.filter((l) => l.owner !== request.owner && things.includes(l.thing));
  if (others.length > 0) {
    const held = others.map((lease) => `${lease.thing} is held by ${lease.owner}`).join(', ');
    return refuse('leased', `Another run acts on the same devices: ${held}.`);
  }
  const own = view.leases.filter((l) => l.owner === request.owner).map((lease) => lease.thing);
  const newThings = things.filter((thing) => !own.includes(thing));
  if (newThings.length === 0) return { outcome: 'granted', path: 'held', newThings };
  const inOneAct = own.length + newThings.length;
  if (inOneAct > MAX_THINGS) return refuse('capReached', describeTooMany(inOneAct));
  return decideNew(view, newThings, now);
}

function decideNew(view: GuardView, newThings: string[], now: number): Decision {
  const caps = capsFor(view.fleetSize);
  const after = view.containedNow + newThings.length;
  const recent = recentGrants(view.recentAutomatic, now);
  const fitsRate = recent.length + newThings.length <= CAP_LIMITS.automaticPerMinute;

  if (after > caps.approved) {
    return refuse(
      'capReached',
      `${describeAfter(view, newThings.length)}, and ${caps.approved} is the most that approvals allow. ${ONLY_BREAK_GLASS}`,
    );
  }
  if (after <= caps.automatic && fitsRate) {
    return { outcome: 'granted', path: 'automatic', newThings };
  }
  if (new Set(view.approvers).size >= APPROVERS_NEEDED) {
    return { outcome: 'granted', path: 'approved', newThings };
  }
  if (after <= caps.automatic) return refuseRate(view, newThings.length, recent, now);
  return refuse(
    'approvalNeeded',
    `${describeAfter(view, newThings.length)}, and ${caps.automatic} may be without a person. ` +
      `${describeApprovals(view.approvers)} can allow up to ${caps.approved}.`,
  );
}

/** Grants inside the window that ends now; the rest no longer matter. */
export const recentGrants = (times: number[], now: number): number[] =>
  times.filter((time) => time > now - RATE_WINDOW_MS);

/** Sorted and without repetition; null for an empty selection or any name that is not a plain thing name. */
export function soundThings(things: string[]): string[] | null {
  if (things.length === 0 || !things.every((thing) => THING_NAME.test(thing))) return null;
  return [...new Set(things)].sort();
}

function refuseRate(view: GuardView, count: number, recent: number[], now: number): Refusal {
  const surplus = recent.length + count - CAP_LIMITS.automaticPerMinute;
  const freedBy = [...recent].sort((a, b) => a - b)[surplus - 1];
  const retryAfterMs = freedBy === undefined ? null : freedBy + RATE_WINDOW_MS - now;
  const wait =
    retryAfterMs === null ? '' : ` Waiting ${Math.ceil(retryAfterMs / 1000)} s helps too.`;
  return refuse(
    'approvalNeeded',
    `${recent.length} devices were contained without a person in the last minute and ` +
      `${CAP_LIMITS.automaticPerMinute} may be. ${describeApprovals(view.approvers)} can allow it now.${wait}`,
    retryAfterMs,
  );
}

const refuse = (
  reason: RefusalReason,
  explanation: string,
  retryAfterMs: number | null = null,
): Refusal => ({ outcome: 'refused', reason, explanation, retryAfterMs });

function describeNothing(things: string[]): string {
  const wrong = things.find((thing) => !THING_NAME.test(thing));
  if (wrong === undefined) return 'No device is named: an empty selection means zero devices.';
  return `${JSON.stringify(wrong.slice(0, 140))} is not a thing name (letters, digits, "-" and "_"): a selection that holds it means zero devices.`;
}

const describeAfter = (view: GuardView, count: number): string =>
  `${count} more would make ${view.containedNow + count} of ${view.fleetSize} devices contained at once`;

function describeApprovals(approvers: string[]): string {
  const have = [...new Set(approvers)].sort();
  const missing = APPROVERS_NEEDED - have.length;
  return have.length === 0
    ? `${APPROVERS_NEEDED} distinct approvers`
    : `${have.join(', ')} and ${missing} more distinct approver${missing === 1 ? '' : 's'}`;
}

const describeTooMany = (count: number): string =>
  `${count} devices in one act are more than the ${MAX_THINGS} it may touch. ${ONLY_BREAK_GLASS}`;
