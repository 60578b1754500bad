import { z } from 'zod';
import { createRolloutStore } from '../../activities/aws/rollout-store';
import { recordsBucket } from '../../domain/names';
import type { OtaStage } from './staged-ota-stage';

const chunk = z.array(z.object({ thing: z.string() }));

/** The devices that the frozen plan has in a wave, read from where the plan is kept. */
export async function thingsOfWave(
  { aws, stack }: Pick<OtaStage, 'aws' | 'stack'>,
  wave: number,
): Promise<string[]> {
  const store = createRolloutStore(aws.s3, recordsBucket(stack.emulator.accountId));
  const ofWave = new RegExp(`^rollouts/[0-9a-f]+/wave-${wave}-\\d+\\.json$`);
  const keys = (await store.list('rollouts/')).filter((key) => ofWave.test(key));
  const texts = await Promise.all(keys.map((key) => store.get(key)));
  return texts.flatMap((text) => chunk.parse(JSON.parse(text ?? '[]')).map(({ thing }) => thing));
}
