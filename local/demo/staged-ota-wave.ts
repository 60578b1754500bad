import { createRolloutStore } from '../../activities/aws/rollout-store';
import { recordsBucket } from '../../domain/names';
import type { PlannedDevice, RolloutPlan } from '../../domain/rollout/types';
import type { OtaStage } from './staged-ota-stage';

/** The devices that the frozen plan has in a wave, read from where the plan is kept. */
export async function thingsOfWave(
  { aws, stack }: Pick<OtaStage, 'aws' | 'stack'>,
  number: number,
): Promise<string[]> {
  const store = createRolloutStore(aws.s3, recordsBucket(stack.emulator.accountId));
  const read = async <T>(key: string): Promise<T> => JSON.parse((await store.get(key)) ?? '') as T;
  const key = (await store.list('rollouts/')).find((each) =>
    /^[^/]+\/[^/]+\/plan\.json$/.test(each),
  );
  const { waves } = await read<RolloutPlan>(key ?? 'rollouts/none');
  const chunks = waves.find((wave) => wave.number === number)?.chunks ?? [];
  const devices = await Promise.all(chunks.map((chunk) => read<PlannedDevice[]>(chunk.key)));
  return devices.flat().map(({ thing }) => thing);
}
