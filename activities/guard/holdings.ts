import type { Lease } from '../../domain/guard/types';
import type { HeldThing, Reservation } from './items';
import { COUNTER, isLapsed, KEYS, LOCK, RESERVATION, RESERVATIONS_PK } from './items';
import type { Store } from './store';
import { isPresent, provisioned, remove } from './store';

export interface HoldingDeps {
  store: Store;
  now: () => number;
}

export const toLease = (owner: string, reservation: Reservation, now: number): Lease => ({
  owner,
  fence: reservation.fence,
  things: reservation.things.filter((held) => !isLapsed(held, now)).map((held) => held.thing),
});

export const holdsLive = (reservation: Reservation, things: string[], now: number): boolean =>
  things.every((thing) =>
    reservation.things.some((held) => held.thing === thing && !isLapsed(held, now)),
  );

/** What is held with `things` added; what had lapsed among them is reserved afresh, what was confirmed stays so. */
export function withThings(
  reservation: Reservation | null,
  things: string[],
  { at, expiresAt }: { at: number; expiresAt: number | null },
): HeldThing[] {
  const held = reservation?.things ?? [];
  const kept = held.map((one) => {
    if (!things.includes(one.thing)) return one;
    return expiresAt === null || isLapsed(one, at) ? { ...one, expiresAt } : one;
  });
  const added = things.filter((thing) => !held.some((one) => one.thing === thing));
  return [...kept, ...added.map((thing) => ({ thing, expiresAt }))].sort((a, b) =>
    a.thing < b.thing ? -1 : 1,
  );
}

/** Reservations that lapsed unconfirmed give back their count, each in a transaction of its own; returns how many things. */
export async function reclaimLapsed(deps: HoldingDeps): Promise<number> {
  const reservations = await deps.store.list(RESERVATIONS_PK, RESERVATION);
  let reclaimed = 0;
  for (const { key, value } of reservations) {
    const lapsed = value.things.filter((held) => isLapsed(held, deps.now()));
    if (lapsed.length === 0) continue;
    reclaimed += await letGo(deps, {
      owner: key.sk,
      things: lapsed.map((held) => held.thing),
      may: (_, held) => isLapsed(held, deps.now()),
    });
  }
  return reclaimed;
}

export interface LetGoInput {
  owner: string;
  things: string[];
  /** Judged on what the transaction is conditional on, so that nothing is given back twice. */
  may: (reservation: Reservation, held: HeldThing) => boolean;
}

/** Takes things out of a reservation with their locks and count; returns how many it took. */
export async function letGo({ store }: HoldingDeps, input: LetGoInput): Promise<number> {
  const { owner, things, may } = input;
  const reservationKey = KEYS.reservation(owner);
  const lockKeys = [...new Set(things)].map(KEYS.lock);
  const snapshot = await store.read([KEYS.counter, reservationKey, ...lockKeys]);
  const counter = provisioned(snapshot.cell(KEYS.counter, COUNTER));
  const reservation = snapshot.cell(reservationKey, RESERVATION);
  if (!isPresent(reservation)) return 0;

  const all = reservation.value.things;
  const going = all.filter((h) => things.includes(h.thing) && may(reservation.value, h));
  if (going.length === 0) return 0;
  const left = all.filter((held) => !going.includes(held));
  const locks = lockKeys
    .map((key) => snapshot.cell(key, LOCK))
    .filter(isPresent)
    .filter((lock) => going.some((held) => held.thing === lock.key.sk));
  await store.commit([
    store.put(counter, { ...counter.value, count: counter.value.count - going.length }),
    left.length === 0
      ? remove(reservation)
      : store.put(reservation, { ...reservation.value, things: left }),
    ...locks.map(remove),
  ]);
  return going.length;
}
