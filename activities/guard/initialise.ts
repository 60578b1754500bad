import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { COUNTER, KEYS, SWITCH } from './items';
import { createStore, isPresent } from './store';
import type { GuardTable } from './table';

/** Makes the items that a guard needs where they are absent and touches none that is there: a switch at stop stays so. */
export async function initialiseGuard(
  table: GuardTable,
  now: () => number = Date.now,
): Promise<void> {
  const store = createStore({ table, newId: randomUUID, pause: (ms) => sleep(ms) });
  await store.settle(async () => {
    const snapshot = await store.read([KEYS.switch, KEYS.counter]);
    const theSwitch = snapshot.cell(KEYS.switch, SWITCH);
    const counter = snapshot.cell(KEYS.counter, COUNTER);
    const running = {
      state: 'run',
      reason: 'first provisioned',
      by: 'provision',
      at: now(),
    } as const;
    const writes = [
      ...(isPresent(theSwitch) ? [] : [store.put(theSwitch, running)]),
      ...(isPresent(counter)
        ? []
        : [store.put(counter, { count: 0, fence: 0, recentAutomatic: [] })]),
    ];
    if (writes.length > 0) await store.commit(writes);
  });
}
