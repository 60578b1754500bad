import type { GuardTable, GuardWrite, ItemKey, StoredItem } from '../../activities/guard/table';

export interface MemoryGuardTable extends GuardTable {
  /** All items, for tests that judge the whole table. */
  items(): StoredItem[];
}

/**
 * The semantics of the DynamoDB adapter without the network: each call is atomic and gives way to others before it runs,
 * so that concurrent callers interleave between their reads and writes.
 */
export function createMemoryGuardTable(yieldTo = () => Promise.resolve()): MemoryGuardTable {
  const stored = new Map<string, StoredItem>();
  return {
    items: () => [...stored.values()],
    async read(keys) {
      await yieldTo();
      return keys.map((key) => stored.get(nameOf(key)) ?? null);
    },
    async list(pk) {
      await yieldTo();
      return [...stored.values()].filter((item) => item.pk === pk);
    },
    async write(writes) {
      await yieldTo();
      const names = writes.map((write) => nameOf(keyOf(write)));
      if (writes.length > 100 || new Set(names).size < names.length) {
        throw new Error('DynamoDB takes at most 100 items, each once');
      }
      const met = writes.every(
        (w) => (stored.get(nameOf(keyOf(w)))?.version ?? null) === w.expected,
      );
      if (!met) return 'conflict';
      for (const write of writes) {
        if (write.act === 'put') stored.set(nameOf(write.item), write.item);
        if (write.act === 'remove') stored.delete(nameOf(write.key));
      }
      return 'committed';
    },
  };
}

const nameOf = ({ pk, sk }: ItemKey): string => JSON.stringify([pk, sk]);
const keyOf = (write: GuardWrite): ItemKey => (write.act === 'put' ? write.item : write.key);
