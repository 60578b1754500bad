import type { Quotas, RolloutDeps } from './deps';

/** Waits; rejects where the work is to end, as on a worker's shutdown. */
export type Sleep = (ms: number) => Promise<void>;

/** Resolves as soon as one more call may be made. */
export type Rate = () => Promise<void>;

export interface Paces {
  createJob: Rate;
  describeJob: Rate;
  addToGroup: Rate;
  searchIndex: Rate;
  shadow: Rate;
}

/** https://docs.aws.amazon.com/general/latest/gr/iot-core.html : GetThingShadow is 4,000 a second in the large regions. */
const SHADOWS_PER_SECOND = 200;

/** Half the account's quota each, a second's worth at once. */
export async function createPaces(
  { quotas, now }: Pick<RolloutDeps, 'quotas' | 'now'>,
  sleep: Sleep,
): Promise<Paces> {
  const { createJob, describeJob, addThingToThingGroup, searchIndex }: Quotas = await quotas();
  const rate = (perSecond: number) => createRate(perSecond, sleep, now);
  return {
    createJob: rate(createJob),
    describeJob: rate(describeJob),
    addToGroup: rate(addThingToThingGroup),
    searchIndex: rate(searchIndex),
    shadow: rate(SHADOWS_PER_SECOND),
  };
}

export function createRate(perSecond: number, sleep: Sleep, now: () => number): Rate {
  const gapMs = 1000 / perSecond;
  /** When the calls made so far would have ended at an even pace. */
  let spentUntil = 0;
  return async () => {
    const at = now();
    spentUntil = Math.max(spentUntil, at - 1000) + gapMs;
    if (spentUntil > at) await sleep(Math.ceil(spentUntil - at));
  };
}

/** A few at a time; the first failure ends it. */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
