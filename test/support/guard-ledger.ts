import { z } from 'zod';
import type { StoredItem } from '../../activities/guard/table';

/** The guard's items as an outsider reads them, with none of the guard's own code. */
export interface GuardLedger {
  count: number;
  fence: number;
  fleetSize: number;
  stopped: boolean;
  recentAutomatic: number[];
  /** Thing to owner, by the locks. */
  locks: Map<string, string>;
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

export function readLedger(items: StoredItem[]): GuardLedger {
  const one = <T>(sk: string, schema: z.ZodType<T>, absent: T): T => {
    const item = items.find((each) => each.pk === 'guard' && each.sk === sk);
    return item === undefined ? absent : schema.parse(JSON.parse(item.body));
  };
  const all = <T>(pk: string, schema: z.ZodType<T>): [string, T][] =>
    items
      .filter((item) => item.pk === pk)
      .map((item) => [item.sk, schema.parse(JSON.parse(item.body))]);
  const reservations = all('reservation', reservation);
  return {
    ...one('counter', counter, { count: 0, fence: 0, recentAutomatic: [] }),
    fleetSize: one('fleet', z.object({ size: z.number() }), { size: 0 }).size,
    stopped: one('switch', z.object({ state: z.string() }), { state: 'stop' }).state !== 'run',
    locks: new Map(
      all('lock', z.object({ owner: z.string() })).map(([t, { owner }]) => [t, owner]),
    ),
    held: reservations.flatMap(([owner, r]) => r.things.map(({ thing }) => ({ thing, owner }))),
    fences: new Map(reservations.map(([owner, r]) => [owner, r.fence])),
    approvers: new Map(reservations.map(([owner, r]) => [owner, r.approvers])),
  };
}
