import type { WaveCounts } from '../../domain/rollout/types';
import type { RolloutDeps } from './deps';
import { rolloutPrefix } from './job-record';
import { readJson } from './objects';
import type { WaveAt } from './types';

const endKey = ({ ref, kind, wave }: WaveAt): string =>
  `${rolloutPrefix(ref.rolloutId)}ends/${kind}-${wave}.json`;

/** A complete wave does not change any more, so that its soak need not look at its jobs. */
export interface EndOfWave {
  counts: WaveCounts;
  /** A person let it pass: what of its ends it was held for does not hold the soak again. */
  overridden: boolean;
}

export const writeEnd = (deps: RolloutDeps, at: WaveAt, end: EndOfWave): Promise<void> =>
  deps.store.put(endKey(at), JSON.stringify(end));

export const readEnd = (deps: RolloutDeps, at: WaveAt): Promise<EndOfWave | null> =>
  readJson<EndOfWave | null>(deps.store, endKey(at), null);
