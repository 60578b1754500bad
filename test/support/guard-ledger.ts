import { z } from 'zod';
import type { StoredItem } from '../../activities/guard/table';

/** The guard's items as an outsider reads them, with none of the guard's own code. */
export interface GuardLedger {
  count: number;
  fence: number;
  fleetSize: number;
  stopped: boolean;
  recentAutomatic: number[];
  /** Thing to owner, by the locks of containments. */
  locks: Map<string, string>;
  /** By the locks of work leases, stale ones too. */
  workLocks: Map<string, { owner: string; fence: number }>;
  /** Owner to work lease, lapsed ones too. */
  work: Map<string, { fence: number; expiresAt: number }>;
  /** Thing to owner, by the reservations; a thing in two of them stands twice. */
  held: { thing: string; owner: string }[];
  fences: Map<string, number>;
  approvers: Map<string, string[]>;
}

const counter = z.object({
  count: z.number(),
  fence: z.number(),
  recentAutomatic: z.array(z.number()),
});
const reservation = z.object({
  fence: z.number(),
  things: z.array(z.object({ thing: z.string() })),
  approvers: z.array(z.string()),
});

const work = z.object({ fence: z.number(), expiresAt: z.number() });
const lock = z.union([
  z.object({ kind: z.literal('work'), owner: z.string(), fence: z.number() }),
  z.object({ kind: z.undefined().optional(), owner: z.string() }),
]);
/** Written down again, so that a changed key is a decision and no slip. */
export const LOCK_PKS = Array.from('0123456789abcdef', (digit) => `lock-${digit}`);

export function readLedger(items: StoredItem[]): GuardLedger {
  const one = <T>(sk: string, schema: z.ZodType<T>, absent: T): T => {
    const item = items.find((each) => each.pk === 'guard' && each.sk === sk);
    return item === undefined ? absent : schema.parse(JSON.parse(item.body));
  };
  const all = <T>(pk: string, schema: z.ZodType<T>): [string, T][] =>
    items
      .filter((item) => item.pk === pk)
      .map((item) => [item.sk, schema.parse(JSON.parse(item.body))]);
  const locks = LOCK_PKS.flatMap((pk) => all(pk, lock));
  const reservations = all('reservation', reservation);
  return {
    ...one('counter', counter, { count: 0, fence: 0, recentAutomatic: [] }),
    fleetSize: one('fleet', z.object({ size: z.number() }), { size: 0 }).size,
    stopped: one('switch', z.object({ state: z.string() }), { state: 'stop' }).state !== 'run',
    locks: new Map(locks.flatMap(([t, l]) => (l.kind === 'work' ? [] : [[t, l.owner]]))),
    workLocks: new Map(locks.flatMap(([t, l]) => (l.kind === 'work' ? [[t, l]] : []))),
    work: new Map(all('work', work)),
    held: reservations.flatMap(([owner, r]) => r.things.map(({ thing }) => ({ thing, owner }))),
    fences: new Map(reservations.map(([owner, r]) => [owner, r.fence])),
    approvers: new Map(reservations.map(([owner, r]) => [owner, r.approvers])),
  };
}
