import type { Guard } from '../../domain/guard/types';
import type { Resource } from './resource';

export interface GuardDeps {
  guard: Pick<Guard, 'status' | 'setFleetSize'>;
  initialise: () => Promise<void>;
  /** Whether the table is there and has the guard's keys. */
  tableReady: () => Promise<boolean>;
  countThings: () => Promise<number>;
}

/** The guard's own items and the size of the fleet, which its percentages are of. A switch at stop stays so. */
export function guardResource({ guard, initialise, tableReady, countThings }: GuardDeps): Resource {
  const size = async (): Promise<void> => guard.setFleetSize(await countThings());
  return {
    kind: 'guard',
    name: 'switch, counters and fleet size',
    desired: async () => ({ fleetSize: String(await countThings()) }),
    async read() {
      if (!(await tableReady())) return null;
      try {
        return { fleetSize: String((await guard.status()).fleetSize) };
      } catch (err) {
        if (isUnprovisioned(err)) return null;
        throw err;
      }
    },
    async create() {
      await initialise();
      await size();
    },
    update: size,
  };
}

const isUnprovisioned = (err: unknown): boolean =>
  err instanceof Error && /provision/i.test(err.message);
