import { resolveStagedOta } from '../../domain/rollout/input.schema';
import type { RolloutSettings } from '../../domain/rollout/types';
import { invalidInput } from '../failure';
import type { RolloutDeps } from './deps';

/** Checks and pins the input. It only reads, and history keeps the answer. */
export async function resolveRollout(
  deps: Pick<RolloutDeps, 'loadRunbook'>,
  { input, workflowId }: { input: unknown; workflowId: string },
): Promise<RolloutSettings> {
  const resolution = resolveStagedOta(input, workflowId, await deps.loadRunbook());
  if (!resolution.ok) throw invalidInput(resolution.issues);
  return resolution.settings;
}
