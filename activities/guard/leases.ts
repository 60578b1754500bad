import type { Guard, Lease } from '../../domain/guard/types';
import { guardStopped, leaseLost } from './failures';
import type { HoldingDeps } from './holdings';
import { holdsLive, letGo } from './holdings';
import type { Reservation } from './items';
import { KEYS, RESERVATION, SWITCH } from './items';
import { isPresent, provisioned } from './store';

type LeaseActions = Pick<Guard, 'confirm' | 'giveBack' | 'assertMayAct'>;

/**
 * A reservation that lapsed but that nobody reclaimed can still be confirmed: it counts until it is reclaimed, and the
 * transaction decides which of the two comes first. Acting on it needs it live or confirmed.
 */
export function createLeases(deps: HoldingDeps): LeaseActions {
  const { store, now } = deps;
  return {
    confirm: (lease) =>
      store.settle(async () => {
        const key = KEYS.reservation(lease.owner);
        const cell = (await store.read([key])).cell(key, RESERVATION);
        if (!isPresent(cell)) throw lost(lease, null);
        if (!holds(cell.value, lease)) throw lost(lease, cell.value);
        const things = cell.value.things.map((held) =>
          lease.things.includes(held.thing) ? { ...held, expiresAt: null } : held,
        );
        if (things.every((held, at) => held.expiresAt === cell.value.things[at]?.expiresAt)) return;
        await store.commit([store.put(cell, { ...cell.value, things })]);
      }),

    giveBack: (lease) =>
      store.settle(async () => {
        await letGo(deps, { ...lease, may: (reservation) => reservation.fence === lease.fence });
      }),

    assertMayAct: (lease) =>
      store.settle(async () => {
        const key = KEYS.reservation(lease.owner);
        const snapshot = await store.read([KEYS.switch, key]);
        const theSwitch = provisioned(snapshot.cell(KEYS.switch, SWITCH)).value;
        if (theSwitch.state === 'stop') throw guardStopped(theSwitch);
        const { value } = snapshot.cell(key, RESERVATION);
        if (value === null || !holds(value, lease)) throw lost(lease, value);
        if (!holdsLive(value, lease.things, now())) {
          throw leaseLost(
            `The reservation of ${lease.things.join(', ')} by ${lease.owner} expired before it was confirmed: reserve again.`,
          );
        }
      }),
  };
}

/** A lease that names nothing allows nothing. */
const holds = (reservation: Reservation, lease: Lease): boolean =>
  reservation.fence === lease.fence &&
  lease.things.length > 0 &&
  lease.things.every((thing) => reservation.things.some((held) => held.thing === thing));

function lost(lease: Lease, current: Reservation | null) {
  const why =
    current !== null && current.fence > lease.fence
      ? `a newer reservation (${current.fence}) replaced it`
      : 'it was given back or expired';
  return leaseLost(
    `${lease.owner} no longer holds ${lease.things.join(', ')} under fence ${lease.fence}: ${why}.`,
  );
}
