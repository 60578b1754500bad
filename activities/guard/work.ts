import { soundThings } from '../../domain/guard/decide';
import type { Guard, GuardSwitch, WorkLease } from '../../domain/guard/types';
import { guardStopped, guardUnreachable, leaseLost, nothingSelected } from './failures';
import type { HoldingDeps } from './holdings';
import type { HeldLock } from './holders';
import { readHolds } from './holders';
import type { Lock, Work } from './items';
import { COUNTER, isLive, isWorkLock, KEYS, LOCK, SWITCH, WORK, WORK_PK } from './items';
import type { PresentCell, Snapshot } from './store';
import { isPresent, provisioned, remove, unchanged } from './store';

/** Items in one call of DynamoDB, read or write. */
const MAX_ITEMS = 100;
/** `keepWork` reads the switch and the lease beside the locks, so that each answer is of one moment. */
const LOCKS_BESIDE_LEASE = MAX_ITEMS - 2;
const CALLS_AT_ONCE = 4;

type WorkActions = Pick<Guard, 'leaseForWork' | 'heldBy' | 'keepWork' | 'endWork'>;

/**
 * One item says who works until when; each thing's lock names that item and its fence. A fence is never given twice, so a lock
 * that names an ended lease is free for ever and needs no cleaning. A lapsed lease is removed before anything is taken from it:
 * its owner can't renew it afterwards, and so there are never two holders.
 */
export function createWork(deps: HoldingDeps): WorkActions {
  const { store } = deps;
  return {
    async leaseForWork({ owner, things, lifeMs }) {
      const wanted = things.length === 0 ? [] : soundThings(things);
      if (wanted === null) {
        throw nothingSelected(
          `${owner} asks for things whose names are not plain: none is leased.`,
        );
      }
      const lease = await store.settle(() => open(deps, owner, lifeMs));
      const taken = await inChunks(wanted, MAX_ITEMS, (some) =>
        store.settle(() => take(deps, lease, some)),
      );
      await store.settle(() => renew(deps, { lease, things: [], lifeMs }, lapsedWhileTaken));
      return {
        lease,
        leased: taken.flatMap(({ leased }) => leased),
        busy: taken.flatMap(({ busy }) => busy),
      };
    },

    async heldBy(things, owner) {
      const held = await inChunks([...new Set(things)], MAX_ITEMS, (some) =>
        store.settle(async () => busyOf(await readHolds(deps, some))),
      );
      return held.flat().filter((one) => one.owner !== owner);
    },

    async keepWork({ lease, things, lifeMs }) {
      const wanted = [...new Set(things)];
      const first = wanted.splice(0, LOCKS_BESIDE_LEASE);
      const keep = (some: string[]) =>
        store.settle(() => renew(deps, { lease, things: some, lifeMs }, gone));
      const kept = await keep(first);
      return [...kept, ...(await inChunks(wanted, LOCKS_BESIDE_LEASE, keep)).flat()];
    },

    endWork: (lease) =>
      store.settle(async () => {
        const key = KEYS.work(lease.owner);
        const work = (await store.read([key])).cell(key, WORK);
        if (isPresent(work) && work.value.fence === lease.fence) await store.commit([remove(work)]);
      }),
  };
}

/** The owner's live lease, or a new one under the next fence of the guard. */
async function open(deps: HoldingDeps, owner: string, lifeMs: number): Promise<WorkLease> {
  const { store, now } = deps;
  const key = KEYS.work(owner);
  const snapshot = await store.read([KEYS.switch, KEYS.counter, key]);
  const theSwitch = runningSwitch(snapshot);
  const work = snapshot.cell(key, WORK);
  if (isPresent(work) && isLive(work.value, work.value.fence, now())) {
    await extend(deps, work, lifeMs);
    return { owner, fence: work.value.fence };
  }
  const counter = provisioned(snapshot.cell(KEYS.counter, COUNTER));
  const fence = counter.value.fence + 1;
  await store.commit([
    unchanged(theSwitch),
    store.put(counter, { ...counter.value, fence }),
    store.put(work, { fence, expiresAt: now() + lifeMs }),
  ]);
  await removeLapsed(deps);
  return { owner, fence };
}

/** Leases of runs that never ended them, so that the list stays as long as the number of runs. */
async function removeLapsed({ store, now }: HoldingDeps): Promise<void> {
  for (const work of await store.list(WORK_PK, WORK)) {
    if (!isLive(work.value, work.value.fence, now())) await store.commit([remove(work)]);
  }
}

interface Taken {
  leased: string[];
  busy: { thing: string; owner: string }[];
}

/** All that is free of at most 100 things, in one transaction on what was read; a retry finds its own locks. */
async function take(deps: HoldingDeps, lease: WorkLease, things: string[]): Promise<Taken> {
  const { store } = deps;
  const holds = await readHolds(deps, things);
  const lapsed = new Map(
    holds.flatMap(({ hold }) => (hold.state === 'lapsed' ? [[hold.lease, hold.reclaim]] : [])),
  );
  if (lapsed.size > 0) {
    for (const reclaim of lapsed.values()) await reclaim();
    return store.again();
  }
  const mine = holds.filter(
    ({ hold, lock }) => hold.state === 'free' || isLockOf(lease, lock.value),
  );
  const writes = mine
    .filter(({ hold }) => hold.state === 'free')
    .map(({ lock }) => store.put(lock, { kind: 'work', ...lease }));
  if (writes.length > 0) await store.commit(writes);
  return {
    leased: mine.map(({ thing }) => thing),
    busy: busyOf(holds.filter((one) => !mine.includes(one))),
  };
}

const busyOf = (holds: HeldLock[]): Taken['busy'] =>
  holds.flatMap(({ thing, hold }) => (hold.state === 'held' ? [{ thing, owner: hold.owner }] : []));

const isLockOf = (lease: WorkLease, lock: Lock | null): boolean =>
  lock !== null && isWorkLock(lock) && lock.owner === lease.owner && lock.fence === lease.fence;

/** Which of the things the live lease covers at this moment, and the lease for `lifeMs` more. */
async function renew(
  deps: HoldingDeps,
  { lease, things, lifeMs }: { lease: WorkLease; things: string[]; lifeMs: number },
  failure: (lease: WorkLease) => Error,
): Promise<string[]> {
  const workKey = KEYS.work(lease.owner);
  const lockKeys = things.map(KEYS.lock);
  const snapshot = await deps.store.read([KEYS.switch, workKey, ...lockKeys]);
  const work = snapshot.cell(workKey, WORK);
  const live = isPresent(work) && isLive(work.value, lease.fence, deps.now()) ? work : null;
  // Before the switch is asked: a stop may outlast the lease, and its devices are not free for that.
  if (live !== null) await extend(deps, live, lifeMs);
  runningSwitch(snapshot);
  if (live === null) throw failure(lease);
  return lockKeys
    .filter((key) => isLockOf(lease, snapshot.cell(key, LOCK).value))
    .map((key) => key.sk);
}

/** No write while more than half of the life is left. */
async function extend(
  { store, now }: HoldingDeps,
  work: PresentCell<Work>,
  lifeMs: number,
): Promise<void> {
  const at = now();
  if (work.value.expiresAt - at > lifeMs / 2) return;
  await store.commit([store.put(work, { ...work.value, expiresAt: at + lifeMs })]);
}

function runningSwitch(snapshot: Snapshot): PresentCell<GuardSwitch> {
  const theSwitch = provisioned(snapshot.cell(KEYS.switch, SWITCH));
  if (theSwitch.value.state === 'stop') throw guardStopped(theSwitch.value);
  return theSwitch;
}

/** In order, a few calls at a time. */
async function inChunks<T>(
  things: string[],
  size: number,
  step: (some: string[]) => Promise<T>,
): Promise<T[]> {
  const done: T[] = [];
  for (let from = 0; from < things.length; from += size * CALLS_AT_ONCE) {
    const calls = Array.from({ length: CALLS_AT_ONCE }, (_, n) =>
      things.slice(from + n * size, from + (n + 1) * size),
    );
    done.push(...(await Promise.all(calls.filter((some) => some.length > 0).map(step))));
  }
  return done;
}

const gone = ({ owner, fence }: WorkLease) =>
  leaseLost(`The work lease of ${owner} under fence ${fence} has ended or lapsed: lease again.`);

const lapsedWhileTaken = ({ owner }: WorkLease) =>
  guardUnreachable(
    `the work lease of ${owner} lapsed while its things were taken: lease for longer`,
  );
