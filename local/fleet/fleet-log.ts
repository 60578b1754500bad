import { z } from 'zod';

/** A device began to run another slot. */
export interface Switch {
  thing: string;
  /** TUF target of the update. */
  target: string;
  /** `on` to the new release; `back` to the confirmed one, by the agent itself. */
  way: 'on' | 'back';
  /** Epoch milliseconds. */
  at: number;
}

const entry = z.object({ time: z.number(), thing: z.string() });
/** The agent's own line for a new state of an update (update/run.ts). */
const transition = entry.extend({
  event: z.literal('update'),
  state: z.string(),
  after: z.literal('done'),
  target: z.string(),
});
const connection = entry.extend({ event: z.literal('connected') });

/** What is taken from the logs of many agents, a line at a time. */
export class FleetLog {
  readonly switches: Switch[] = [];
  /** Things whose agents were connected at least once. */
  readonly connected = new Set<string>();

  hear(line: string): void {
    if (line.includes('"event":"connected"')) {
      const parsed = connection.safeParse(JSON.parse(line));
      if (parsed.success) this.connected.add(parsed.data.thing);
    }
    if (line.includes('"event":"update"')) this.hearUpdate(JSON.parse(line));
  }

  /** `activating` done is a switch on, `reverting` done one back. */
  private hearUpdate(line: unknown): void {
    const parsed = transition.safeParse(line);
    if (!parsed.success) return;
    const { thing, target, state, time: at } = parsed.data;
    if (state === 'starting') this.switches.push({ thing, target, way: 'on', at });
    if (state === 'discarding') this.switches.push({ thing, target, way: 'back', at });
  }
}
