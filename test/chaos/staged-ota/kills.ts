import { setTimeout as sleep } from 'node:timers/promises';
import type { OtaChaosStage } from './stage';

export interface Kill {
  victim: string;
  /** Since the kill before it ended, or the rollout began. */
  afterMs: number;
  /** How long it is gone. */
  goneMs: number;
}

const MOST_BETWEEN_MS = 6_000;
const MOST_GONE_MS = 1_500;
/** Beyond one of each kind, exclusive. */
const SPREAD = 4;

/** Of one rollout: one of each kind and up to three more, in any order; the same for the same numbers. */
export function planKills(random: () => number, hosts: readonly string[]): Kill[] {
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const kinds = ['worker', 'temporal', 'agents'];
  const more = Math.floor(random() * SPREAD);
  const chosen = [...kinds, ...Array.from({ length: more }, () => pick(kinds))].map((kind) => ({
    kind,
    rank: random(),
  }));
  return chosen
    .sort((a, b) => a.rank - b.rank)
    .map(({ kind }) => ({
      victim: kind === 'agents' ? pick(hosts) : kind,
      afterMs: Math.floor(random() * MOST_BETWEEN_MS),
      goneMs: Math.floor(random() * MOST_GONE_MS),
    }));
}

/** Carries the kills out one after the other while the rollout runs; what was killed always runs again. Returns how many. */
export async function killAlong(
  { victims }: Pick<OtaChaosStage, 'victims'>,
  kills: readonly Kill[],
  over: AbortSignal,
): Promise<number> {
  let done = 0;
  for (const { victim, afterMs, goneMs } of kills) {
    await sleep(afterMs, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) break;
    const startAgain = await victims[victim]?.();
    done += 1;
    await sleep(goneMs);
    await startAgain?.();
  }
  return done;
}
