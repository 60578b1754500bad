import type { HoldingDeps, LetGoInput } from './holdings';
import { letGo } from './holdings';
import type { Lock, Reservation, Work } from './items';
import { isLapsed, isLive, isWorkLock, KEYS, LOCK, RESERVATION, WORK } from './items';
import type { Cell, PresentCell } from './store';
import { isPresent, remove } from './store';

/**
 * What a lock means now. `free` for good: the lease behind it has ended, and its fence never comes back. `lapsed` only until its
 * owner renews it, so that it must be reclaimed before anyone else takes the thing.
 */
export type Hold =
  | { state: 'free' }
  | { state: 'held'; owner: string }
  | { state: 'lapsed'; lease: string; reclaim: () => Promise<unknown> };

export interface HeldLock {
  thing: string;
  lock: Cell<Lock>;
  hold: Hold;
}

/** At most 100 things. Two reads where anything is locked: the locks, then the leases that they name. */
export async function readHolds(deps: HoldingDeps, things: string[]): Promise<HeldLock[]> {
  const keys = things.map(KEYS.lock);
  const snapshot = await deps.store.read(keys);
  const locks = keys.map((key) => snapshot.cell(key, LOCK));
  const leaseOf = await readLeases(deps, locks.filter(isPresent));
  return locks.map((lock) => {
    const thing = lock.key.sk;
    return { thing, lock, hold: isPresent(lock) ? leaseOf(lock) : { state: 'free' } };
  });
}

async function readLeases(
  deps: HoldingDeps,
  locks: PresentCell<Lock>[],
): Promise<(lock: PresentCell<Lock>) => Hold> {
  const keys = new Map(locks.map(({ value }) => [nameOf(value), keyOf(value)]));
  if (keys.size === 0) return () => ({ state: 'free' });
  const snapshot = await deps.store.read([...keys.values()]);
  return ({ key, value }) =>
    isWorkLock(value)
      ? holdForWork(deps, value.fence, snapshot.cell(KEYS.work(value.owner), WORK))
      : holdContained(deps, key.sk, snapshot.cell(KEYS.reservation(value.owner), RESERVATION));
}

const keyOf = (lock: Lock) =>
  isWorkLock(lock) ? KEYS.work(lock.owner) : KEYS.reservation(lock.owner);
const nameOf = (lock: Lock): string => JSON.stringify(keyOf(lock));

function holdForWork(deps: HoldingDeps, fence: number, work: Cell<Work>): Hold {
  if (!isPresent(work) || work.value.fence !== fence) return { state: 'free' };
  if (isLive(work.value, fence, deps.now())) return { state: 'held', owner: work.key.sk };
  const reclaim = () => deps.store.commit([remove(work)]);
  return { state: 'lapsed', lease: work.key.sk, reclaim };
}

/** A lock whose reservation is not there was given back between the two reads: the device was contained a moment ago. */
function holdContained(deps: HoldingDeps, thing: string, reservation: Cell<Reservation>): Hold {
  const owner = reservation.key.sk;
  const held = reservation.value?.things.find((one) => one.thing === thing);
  if (held === undefined || !isLapsed(held, deps.now())) return { state: 'held', owner };
  const may: LetGoInput['may'] = (_, one) => isLapsed(one, deps.now());
  const reclaim = () => letGo(deps, { owner, things: [thing], may });
  return { state: 'lapsed', lease: `${owner} ${thing}`, reclaim };
}
