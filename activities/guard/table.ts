export interface ItemKey {
  pk: string;
  sk: string;
}

/** `version` is new with every write, never used again, and what the next write is conditional on. */
export interface StoredItem extends ItemKey {
  version: string;
  /** JSON. */
  body: string;
}

/** `expected` is the version that was read; null means that there was no such item. */
export type GuardWrite =
  | { act: 'put'; item: StoredItem; expected: string | null }
  | { act: 'remove'; key: ItemKey; expected: string }
  | { act: 'unchanged'; key: ItemKey; expected: string | null };

/**
 * One table of items under conditional, atomic writes. `conflict` means that nothing was written (or read) and that
 * a fresh attempt may help, since others were changing the same or the table was throttled; every other trouble is thrown and means that the guard can't be asked.
 */
export interface GuardTable {
  /** One consistent snapshot of at most 100 items, in the order of the keys; null where there is no item. */
  read(keys: ItemKey[]): Promise<(StoredItem | null)[] | 'conflict'>;
  /** All items under `pk`, consistently read. */
  list(pk: string): Promise<StoredItem[]>;
  /** All or nothing, at most 100 items, each at most once. */
  write(writes: GuardWrite[]): Promise<'committed' | 'conflict'>;
}
