import { guardUnreachable } from './failures';
import type { ItemKind } from './items';
import type { GuardTable, GuardWrite, ItemKey, StoredItem } from './table';

/** An item as it was read, whose version the next write is conditional on. */
export interface Cell<T> {
  key: ItemKey;
  version: string | null;
  value: T | null;
}

export interface PresentCell<T> extends Cell<T> {
  version: string;
  value: T;
}

export interface StoreDeps {
  table: GuardTable;
  newId: () => string;
  pause: (ms: number) => Promise<void>;
}

export type Store = ReturnType<typeof createStore>;

const MAX_ATTEMPTS = 25;
const BASE_PAUSE_MS = 10;
const MAX_PAUSE_MS = 250;
const PROVISION = 'npm run provision makes what is missing';

class Conflict extends Error {}

/** Typed items over a GuardTable, with optimistic concurrency: what was read must not have changed when it is written. */
export function createStore({ table, newId, pause }: StoreDeps) {
  return {
    /** Runs `step` afresh while others keep changing what it read; each attempt reads again, so none acts on old facts. */
    async settle<T>(step: () => Promise<T>): Promise<T> {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        try {
          return await step();
        } catch (err) {
          if (!(err instanceof Conflict)) throw err;
          const ceiling = Math.min(MAX_PAUSE_MS, BASE_PAUSE_MS * 2 ** attempt);
          await pause(Math.random() * ceiling);
        }
      }
      throw guardUnreachable(
        `its table changed or was throttled under each of ${MAX_ATTEMPTS} attempts`,
      );
    },

    /** Ends an attempt of `settle` that has changed what it read, so that the next one reads it. */
    again(): never {
      throw new Conflict();
    },

    async read(keys: ItemKey[]): Promise<Snapshot> {
      const items = await reach(() => table.read(keys));
      if (items === 'conflict') throw new Conflict();
      return new Snapshot(keys, items);
    },

    async list<T>(pk: string, kind: ItemKind<T>): Promise<PresentCell<T>[]> {
      const items = await reach(() => table.list(pk));
      return items.map((item) => present(item, kind));
    },

    async commit(writes: GuardWrite[]): Promise<void> {
      if ((await reach(() => table.write(writes))) === 'conflict') throw new Conflict();
    },

    put<T>(cell: Cell<T>, value: T): GuardWrite {
      const item = { ...cell.key, version: newId(), body: JSON.stringify(value) };
      return { act: 'put', item, expected: cell.version };
    },
  };
}

export const remove = <T>(cell: PresentCell<T>): GuardWrite => ({
  act: 'remove',
  key: cell.key,
  expected: cell.version,
});

export const unchanged = <T>(cell: Cell<T>): GuardWrite => ({
  act: 'unchanged',
  key: cell.key,
  expected: cell.version,
});

/** Items that only provisioning makes: without them the guard is not there, and nothing may act. */
export function provisioned<T>(cell: Cell<T>): PresentCell<T> {
  if (!isPresent(cell)) throw guardUnreachable(`its ${cell.key.sk} is missing; ${PROVISION}`);
  return cell;
}

export const isPresent = <T>(cell: Cell<T>): cell is PresentCell<T> => cell.version !== null;

export class Snapshot {
  constructor(
    private readonly keys: ItemKey[],
    private readonly items: (StoredItem | null)[],
  ) {}

  cell<T>(key: ItemKey, kind: ItemKind<T>): Cell<T> {
    const at = this.keys.findIndex((k) => k.pk === key.pk && k.sk === key.sk);
    const item = this.items[at];
    if (item === undefined) throw new Error(`${key.pk} ${key.sk} was not read`);
    return item === null ? { key, version: null, value: null } : present(item, kind);
  }
}

function present<T>(item: StoredItem, { schema, name }: ItemKind<T>): PresentCell<T> {
  const parsed = schema.safeParse(parseJson(item.body));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`;
    throw guardUnreachable(`the ${name} item ${item.pk} ${item.sk} is not readable${where}`);
  }
  return { key: { pk: item.pk, sk: item.sk }, version: item.version, value: parsed.data };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

async function reach<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (err) {
    const cause = err instanceof Error ? err : new Error(String(err));
    const hint = cause.name === 'ResourceNotFoundException' ? `; ${PROVISION}` : '';
    throw guardUnreachable(`${cause.name}: ${cause.message}${hint}`, cause);
  }
}
