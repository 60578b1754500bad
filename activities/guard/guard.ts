import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guard } from '../../domain/guard/types';
import { createApprovals } from './approvals';
import type { ApproverKeys } from './approver-keys';
import { createLeases } from './leases';
import { createReserve } from './reserve';
import { createStatus, createSwitch } from './operator';
import { createStore } from './store';
import type { GuardTable } from './table';
import { createWork } from './work';

export interface GuardDeps {
  table: GuardTable;
  approverKeys: ApproverKeys;
  /** Epoch milliseconds. */
  now: () => number;
  /** Never gives the same id twice: an id is an item's version. */
  newId?: () => string;
  /** Between attempts when others change the same items. */
  pause?: (ms: number) => Promise<void>;
}

/**
 * The guard over one table. Every change is one conditional transaction on what was just read, so it holds over any number
 * of workers, and a change that was made but whose answer was lost is found and not made twice.
 */
export function createGuard({
  table,
  approverKeys,
  now,
  newId = randomUUID,
  pause = (ms) => sleep(ms),
}: GuardDeps): Guard {
  const store = createStore({ table, newId, pause });
  const deps = { store, approverKeys, now };
  return {
    ...createReserve(deps),
    ...createLeases(deps),
    ...createWork(deps),
    ...createApprovals(deps),
    status: createStatus(deps),
    ...createSwitch(deps),
  };
}
