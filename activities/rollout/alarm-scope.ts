import type { RolloutPlan } from '../../domain/rollout/types';
import type { RolloutStore } from './deps';

/** Which devices belong to the waves so far. */
export interface AlarmScope {
  /** Of these things, those in waves 1 to `wave`. */
  within(things: readonly string[], wave: number): Promise<Set<string>>;
}

/**
 * Goes by the plan's chunks. They are read for names that are not known yet, one chunk in memory at a time: what stays
 * grows with the alarms, not with the fleet. Keep one per plan for as long as measurements go on.
 */
export function createAlarmScope(
  store: Pick<RolloutStore, 'get'>,
  plan: Pick<RolloutPlan, 'waves'>,
): AlarmScope {
  const waveOf = new Map<string, number>();
  /** Wave up to which a name was looked for in vain. */
  const notUpTo = new Map<string, number>();

  async function find(names: Set<string>, from: number, to: number): Promise<void> {
    for (const { number, chunks } of plan.waves) {
      if (number <= from || number > to) continue;
      for (const { key } of chunks) {
        for (const thing of thingsOf(key, await store.get(key)))
          if (names.has(thing)) waveOf.set(thing, number);
      }
    }
  }

  return {
    async within(things, wave) {
      const unknown = things.filter(
        (thing) => !waveOf.has(thing) && (notUpTo.get(thing) ?? 0) < wave,
      );
      if (unknown.length > 0) {
        const from = Math.min(...unknown.map((thing) => notUpTo.get(thing) ?? 0));
        await find(new Set(unknown), from, wave);
        for (const thing of unknown) notUpTo.set(thing, wave);
      }
      return new Set(things.filter((thing) => (waveOf.get(thing) ?? Infinity) <= wave));
    },
  };
}

function thingsOf(key: string, text: string | null): string[] {
  const devices: unknown = text === null ? null : JSON.parse(text);
  if (!Array.isArray(devices)) throw new UnreadableChunkError(key);
  return devices.map((device: unknown) => {
    const thing =
      typeof device === 'object' && device !== null && 'thing' in device && device.thing;
    if (typeof thing !== 'string') throw new UnreadableChunkError(key);
    return thing;
  });
}

export class UnreadableChunkError extends Error {
  constructor(key: string) {
    super(`${key} is no list of devices`);
    this.name = 'UnreadableChunkError';
  }
}
