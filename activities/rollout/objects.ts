import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/activity';
import type {
  Chunk,
  PlannedDevice,
  PlannedWave,
  RolloutPlan,
  RolloutRef,
} from '../../domain/rollout/types';
import type { RolloutStore } from './deps';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The very plan that was approved. Its chunks are covered by their hashes. */
export async function readPlan(store: RolloutStore, ref: RolloutRef): Promise<RolloutPlan> {
  const text = await store.get(ref.planKey);
  if (text === null || sha256(text) !== ref.planHash) throw planChanged(ref.planKey);
  return JSON.parse(text) as RolloutPlan;
}

export async function readChunk(store: RolloutStore, chunk: Chunk): Promise<PlannedDevice[]> {
  const text = await store.get(chunk.key);
  if (text === null || sha256(text) !== chunk.sha256) throw planChanged(chunk.key);
  return JSON.parse(text) as PlannedDevice[];
}

/** In the order of dispatch. */
export async function readDevices(
  store: RolloutStore,
  { chunks }: PlannedWave,
): Promise<PlannedDevice[]> {
  const devices: PlannedDevice[] = [];
  for (const chunk of chunks) for (const each of await readChunk(store, chunk)) devices.push(each);
  return devices;
}

export function waveOf({ waves }: RolloutPlan, number: number): PlannedWave {
  const wave = waves.find((each) => each.number === number);
  if (wave === undefined) throw noSuchWave(number);
  return wave;
}

/** Objects that are this rollout's own and rewritten by it alone. */
export async function readJson<T>(store: RolloutStore, key: string, absent: T): Promise<T> {
  const text = await store.get(key);
  return text === null ? absent : (JSON.parse(text) as T);
}

const planChanged = (key: string): ApplicationFailure =>
  ApplicationFailure.create({
    type: 'PlanChanged',
    message: `${key} is not what was planned and approved: nothing is done by it`,
    nonRetryable: true,
  });

const noSuchWave = (number: number): ApplicationFailure =>
  ApplicationFailure.create({
    type: 'PlanChanged',
    message: `the plan has no wave ${number}`,
    nonRetryable: true,
  });
