import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ItemKey } from './table';

/** A kind of item: where it lives and what its JSON must look like. Items are a boundary: people edit tables. */
export interface ItemKind<T> {
  schema: z.ZodType<T>;
  name: string;
}

const time = z.number().int().nonnegative();

const switchSchema = z.strictObject({
  state: z.enum(['run', 'stop']),
  reason: z.string(),
  by: z.string(),
  at: time,
});

const counterSchema = z.strictObject({
  /** Things in all reservations together, lapsed ones too until they are reclaimed. */
  count: z.number().int().nonnegative(),
  /** Of the newest reservation; rises with every one. */
  fence: z.number().int().nonnegative(),
  /** One time per thing contained without a person, of the last minute. */
  recentAutomatic: z.array(time),
});
export type Counter = z.infer<typeof counterSchema>;

const fleetSchema = z.strictObject({ size: z.number().int().nonnegative() });

const heldThingSchema = z.strictObject({
  thing: z.string(),
  /** Null once confirmed. */
  expiresAt: time.nullable(),
});
export type HeldThing = z.infer<typeof heldThingSchema>;

/** All that one owner holds. The lock of each thing points back here, and both change in one transaction. */
const reservationSchema = z.strictObject({
  fence: z.number().int().positive(),
  things: z.array(heldThingSchema).min(1),
  approvers: z.array(z.string()),
});
export type Reservation = z.infer<typeof reservationSchema>;

/** A work lease without its things: their locks name it, and count only while it is there, unlapsed, under their fence. */
const workSchema = z.strictObject({ fence: z.number().int().positive(), expiresAt: time });
export type Work = z.infer<typeof workSchema>;

const workLockSchema = z.strictObject({
  kind: z.literal('work'),
  owner: z.string(),
  fence: z.number().int().positive(),
});
export type WorkLock = z.infer<typeof workLockSchema>;

/** One per thing, whoever holds it: that is what makes two holders impossible. */
const lockSchema = z.union([z.strictObject({ owner: z.string() }), workLockSchema]);
export type Lock = z.infer<typeof lockSchema>;

const approvalSchema = z.strictObject({
  /** Kept whole and verified again at every use. */
  token: z.string(),
  approver: z.string(),
  jti: z.string(),
  expiresAt: time,
  /** An approval grants one reservation. */
  spent: z.boolean(),
});

const approvalsSchema = z.strictObject({
  approvals: z.array(approvalSchema),
  /** The most that were valid at one moment, for work that outlives them. Gone once a reservation spent them. */
  together: z.strictObject({ at: time, approvals: z.array(approvalSchema) }).optional(),
});
export type Approvals = z.infer<typeof approvalsSchema>;

export const SWITCH = { schema: switchSchema, name: 'switch' };
export const COUNTER = { schema: counterSchema, name: 'counter' };
export const FLEET = { schema: fleetSchema, name: 'fleet size' };
export const RESERVATION = { schema: reservationSchema, name: 'reservation' };
export const WORK = { schema: workSchema, name: 'work lease' };
export const LOCK = { schema: lockSchema, name: 'lock' };
export const APPROVALS = { schema: approvalsSchema, name: 'approvals' };

export const RESERVATIONS_PK = 'reservation';
export const WORK_PK = 'work';

/**
 * Locks are spread over 16 partition keys, since a rollout takes thousands in one go and a partition takes 1,000 writes a second:
 * docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
 */
const lockPk = (thing: string): string =>
  `lock-${createHash('sha256').update(thing, 'utf8').digest('hex').slice(0, 1)}`;

export const KEYS = {
  switch: { pk: 'guard', sk: 'switch' },
  counter: { pk: 'guard', sk: 'counter' },
  fleet: { pk: 'guard', sk: 'fleet' },
  reservation: (owner: string): ItemKey => ({ pk: RESERVATIONS_PK, sk: owner }),
  work: (owner: string): ItemKey => ({ pk: WORK_PK, sk: owner }),
  lock: (thing: string): ItemKey => ({ pk: lockPk(thing), sk: thing }),
  approvals: (workflowId: string, targetHash: string): ItemKey => ({
    pk: 'approvals',
    sk: `${workflowId}#${targetHash}`,
  }),
};

export const isLapsed = (held: HeldThing, now: number): boolean =>
  held.expiresAt !== null && held.expiresAt <= now;

export const isWorkLock = (lock: Lock): lock is WorkLock => 'kind' in lock;

export const isLive = (work: Work | null, fence: number, now: number): work is Work =>
  work !== null && work.fence === fence && work.expiresAt > now;
