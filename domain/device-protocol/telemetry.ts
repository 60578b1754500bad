import { z } from 'zod';

/** One telemetry message, as the device publishes it. Untrusted: the rule adds `thing` from the topic. */
export const telemetry = z.object({
  at: z.iso.datetime(),
  /** Rises by one with every message since the agent started. */
  sequence: z.int().nonnegative(),
  firmwareVersion: z.string().max(64),
  hardwareVersion: z.string().max(64),
  application: z.enum(['running', 'stopped', 'contained', 'failed']),
  health: z.enum(['healthy', 'degraded', 'unhealthy']),
  /** Publishes of the application that the broker refused since the last message. */
  refusedPublishes: z.int().nonnegative().max(1_000_000),
  /** Restarts of the application since the last message. */
  applicationRestarts: z.int().nonnegative().max(1_000_000),
  /** Only in the answer to a probe job. */
  probe: z.string().max(64).optional(),
});
export type Telemetry = z.infer<typeof telemetry>;

/** What the telemetry rule puts on the queue. */
export const receivedTelemetry = telemetry.extend({ thing: z.string().min(1).max(128) });
export type ReceivedTelemetry = z.infer<typeof receivedTelemetry>;

/** The unnamed shadow's `state.reported`. Fleet indexing searches these paths. */
export interface ReportedState {
  firmware: { version: string };
  hardware: { version: string };
  /** `restarts`: since the agent was installed. */
  application: { status: Telemetry['application']; restarts: number };
  health: Telemetry['health'];
  agent: {
    version: string;
    /** Since it was installed. */
    starts: number;
    /** Resident, in steps of 8. */
    memoryMiB: number;
    /** Redacted; `at` is ISO 8601. */
    lastError: { at: string; what: string } | null;
  };
  /** Boots in which the agent ran; null where the system does not tell them apart. */
  boots: number | null;
  /** Whether the agent can write what it must keep. */
  disk: 'ok' | 'full' | 'read-only' | 'failing';
  /** Which slot runs; null on a device without updates. */
  slot: string | null;
  /** The update in hand, or the last one; null on a device without updates. A null takes a member out of a shadow. */
  update: {
    /** Of the update machine; `idle` once it has an outcome. */
    state: string;
    target: string | null;
    version: string | null;
    release: number | null;
    outcome: 'SUCCEEDED' | 'FAILED' | 'REJECTED' | null;
    reason: string | null;
    /** ISO 8601: when it ended, or else began. */
    at: string | null;
  } | null;
  /** The last few updates, newest last. */
  updates: { version: string; outcome: 'SUCCEEDED' | 'FAILED' | 'REJECTED'; at: string }[];
}
