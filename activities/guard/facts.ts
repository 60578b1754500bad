import type { Decision, GuardView } from '../../domain/guard/decide';
import { MAX_THINGS, recentGrants, soundThings } from '../../domain/guard/decide';
import { soundFleetSize } from '../../domain/guard/caps';
import type { ReserveInput } from '../../domain/guard/types';
import type { ApprovalDeps } from './approvals';
import { validApprovers } from './approvals';
import type { Approvals, Counter, Lock, Reservation } from './items';
import { APPROVALS, COUNTER, FLEET, isWorkLock, KEYS, LOCK, RESERVATION, SWITCH } from './items';
import type { Cell, PresentCell, Store } from './store';
import { provisioned, unchanged } from './store';
import type { GuardWrite } from './table';

/** What a reservation is decided and written on, all of one snapshot. */
export interface Facts {
  view: GuardView;
  counter: PresentCell<Counter>;
  reservation: Cell<Reservation>;
  approvals: Cell<Approvals>;
  locks: Cell<Lock>[];
  /** Read for the decision, so they must not have changed when it is written. */
  alsoRead: GuardWrite[];
}

export async function readFacts(
  { store, approverKeys, now }: ApprovalDeps,
  input: ReserveInput,
): Promise<Facts> {
  const locks = (soundThings(input.things) ?? []).slice(0, MAX_THINGS).map(KEYS.lock);
  const reservationKey = KEYS.reservation(input.owner);
  const approvalsKey = KEYS.approvals(input.workflowId, input.targetHash);
  const fixed = [KEYS.switch, KEYS.counter, KEYS.fleet, reservationKey, approvalsKey];
  const snapshot = await store.read([...fixed, ...locks]);
  const theSwitch = provisioned(snapshot.cell(KEYS.switch, SWITCH));
  const fleet = snapshot.cell(KEYS.fleet, FLEET);
  const approvals = snapshot.cell(approvalsKey, APPROVALS);
  const held = {
    counter: provisioned(snapshot.cell(KEYS.counter, COUNTER)),
    reservation: snapshot.cell(reservationKey, RESERVATION),
    locks: locks.map((key) => snapshot.cell(key, LOCK)),
  };
  const known = approvals.value?.approvals ?? [];
  const view = {
    switch: theSwitch.value,
    fleetSize: soundFleetSize(fleet.value?.size ?? null),
    containedNow: held.counter.value.count,
    recentAutomatic: held.counter.value.recentAutomatic,
    leases: leasesOf(input.owner, held),
    approvers: await validApprovers(known, input, { approverKeys, now }),
  };
  return { ...held, view, approvals, alsoRead: [unchanged(theSwitch), unchanged(fleet)] };
}

/** Work leases are not among them: containment takes a thing out of one without asking. */
function leasesOf(owner: string, { reservation, locks }: Pick<Facts, 'reservation' | 'locks'>) {
  const own = (reservation.value?.things ?? []).map(({ thing }) => ({ thing, owner }));
  const others = locks.flatMap(({ key, value }) =>
    value !== null && !isWorkLock(value) && value.owner !== owner
      ? [{ thing: key.sk, owner: value.owner }]
      : [],
  );
  return [...own, ...others];
}

export interface Grant {
  decision: Extract<Decision, { outcome: 'granted' }>;
  reservation: Reservation;
  owner: string;
  at: number;
}

/**
 * Counter, reservation and the locks of what is new change together or not at all: the count can't drift from them.
 * A lock of a work lease is overwritten, which is how containment pre-empts it.
 */
export function grantWrites(store: Store, facts: Facts, grant: Grant): GuardWrite[] {
  const { decision, reservation, owner, at } = grant;
  const { count, recentAutomatic } = facts.counter.value;
  const automatic = decision.path === 'automatic' ? decision.newThings.map(() => at) : [];
  const counter = {
    count: count + decision.newThings.length,
    fence: reservation.fence,
    recentAutomatic: [...recentGrants(recentAutomatic, at), ...automatic],
  };
  return [
    ...facts.alsoRead,
    store.put(facts.counter, counter),
    store.put(facts.reservation, reservation),
    ...facts.locks
      .filter((lock) => decision.newThings.includes(lock.key.sk))
      .map((lock) => store.put(lock, { owner })),
    ...(decision.path === 'approved' ? [spend(store, facts)] : []),
  ];
}

/** The approvals that were counted grant this reservation and no other. */
function spend(store: Store, { approvals, view }: Facts): GuardWrite {
  const all = approvals.value?.approvals ?? [];
  return store.put(approvals, {
    approvals: all.map((one) => ({
      ...one,
      spent: one.spent || view.approvers.includes(one.approver),
    })),
  });
}
