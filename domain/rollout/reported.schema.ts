import { z } from 'zod';

import { TARGET_NAME } from '../device-protocol/release-target';
import { telemetry } from '../device-protocol/telemetry';

const MAX_TEXT = 256;
/** What an agent keeps and a little more; a device that says more is heard as far as this. */
const MAX_UPDATES = 20;
const OUTCOMES = ['SUCCEEDED', 'FAILED', 'REJECTED'] as const;

/** What a device says of itself in its shadow, as far as rollouts go by it. */
export interface Reported {
  /** Firmware version that it runs. */
  version: string | null;
  hardware: string | null;
  health: 'healthy' | 'degraded' | 'unhealthy' | null;
  application: 'running' | 'stopped' | 'contained' | 'failed' | null;
  /** The update in hand, or the last one. */
  update: ReportedUpdate | null;
  /** Ended updates, newest last; only those with a version, an outcome and a time. */
  updates: PastUpdate[];
}

export interface ReportedUpdate {
  state: string | null;
  target: string | null;
  version: string | null;
  release: number | null;
  outcome: UpdateOutcome | null;
  reason: string | null;
  /** ISO 8601: when it ended, or else began. */
  at: string | null;
}

export interface PastUpdate {
  version: string;
  outcome: UpdateOutcome;
  at: string;
}

export type UpdateOutcome = (typeof OUTCOMES)[number];

/** A part that is absent or makes no sense is null; the others still count. */
const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().catch(null);

/** One line of bounded length, for reasons and views show it to people. */
const text = (max: number) =>
  z.string().transform((value) =>
    value
      .replace(/\p{C}+/gu, ' ')
      .trim()
      .slice(0, max),
  );
/** Names are compared and put into queries of the fleet index: one that would be more than a word there is none. */
const name = z.string().regex(/^[!#-)+->@-[\]-~]{1,64}$/);
/** Clocks of devices write it with or without an offset. */
const time = z.iso.datetime({ offset: true });

const outcome = z.enum(OUTCOMES);
const version = z.object({ version: orNull(name) });
const update = z.object({
  state: orNull(name),
  target: orNull(z.string().max(MAX_TEXT).regex(TARGET_NAME)),
  version: orNull(name),
  release: orNull(z.int().min(1)),
  outcome: orNull(outcome),
  reason: orNull(text(MAX_TEXT)),
  at: orNull(time),
});
const past = z.object({ version: name, outcome, at: time });

const reported = z.object({
  firmware: orNull(version),
  hardware: orNull(version),
  health: orNull(telemetry.shape.health),
  application: orNull(z.object({ status: orNull(telemetry.shape.application) })),
  update: orNull(update),
  updates: z.array(z.unknown()).catch([]),
});

/**
 * `state.reported` of a device's unnamed shadow. Untrusted: a device may write there what it likes, and an agent of
 * another version may say less. Null where it is no object, which is a device that never said anything.
 */
export function readReported(state: unknown): Reported | null {
  const parsed = reported.safeParse(state);
  if (!parsed.success) return null;
  const { firmware, hardware, health, application, update: last, updates } = parsed.data;
  return {
    version: firmware?.version ?? null,
    hardware: hardware?.version ?? null,
    health,
    application: application?.status ?? null,
    update: last,
    updates: updates.slice(-MAX_UPDATES).flatMap((each) => {
      const entry = past.safeParse(each);
      return entry.success ? [entry.data] : [];
    }),
  };
}
