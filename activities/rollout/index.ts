import { attempt, attemptCancellable } from '../failure';
import { heartbeating } from '../watch';
import { cancelJobs } from './cancel-jobs';
import { carryWave } from './carry-wave';
import { closeRollout } from './close';
import type { RolloutDeps } from './deps';
import { openWave } from './open-wave';
import { readPlan } from './objects';
import type { Sleep } from './pace';
import { planRollout } from './plan';
import { resolveRollout } from './resolve';
import { planRollback } from './rollback';
import { settle } from './settle';
import { judgeWave, watchSoak } from './soak';
import type { RolloutActivities } from './types';

type Of<Names extends keyof RolloutActivities> = Pick<RolloutActivities, Names>;

/** A rollout's activities by the queue of their power. */
export function createRolloutActivities(deps: RolloutDeps) {
  const runbooks: Of<'resolveRollout'> = {
    resolveRollout: (request) => attempt('resolve', () => resolveRollout(deps, request)),
  };
  const read: Of<'planRollout'> = {
    planRollout: (request) => watched('plan', () => planRollout(deps, request)),
  };
  return { runbooks, read, rollout: { ...waves(deps), ...ends(deps) } };
}

const waves = (
  deps: RolloutDeps,
): Of<'approveRollout' | 'openWave' | 'carryWave' | 'watchSoak' | 'judgeWave'> => ({
  /** Bound to the hash of the plan as it is stored: one that was changed has no approval. */
  approveRollout: ({ ref, token, requestedBy }) =>
    attempt('approve', async () => {
      await readPlan(deps.store, ref);
      const { workflowId, planHash: targetHash } = ref;
      return deps.guard.approve({ token, workflowId, targetHash, requestedBy });
    }),
  openWave: (at) => watched('open a wave', () => openWave(deps, at)),
  carryWave: (input) => watched('carry a wave', (sleep) => carryWave(deps, input, sleep)),
  watchSoak: (input) => watched('watch a soak', (sleep) => watchSoak(deps, input, sleep)),
  judgeWave: (input) => attempt('judge a wave', () => judgeWave(deps, input)),
});

const ends = (
  deps: RolloutDeps,
): Of<'cancelJobs' | 'settle' | 'planRollback' | 'page' | 'closeRollout'> => ({
  cancelJobs: (request) => watched('cancel jobs', (sleep) => cancelJobs(deps, request, sleep)),
  settle: (request) => watched('settle', (sleep) => settle(deps, request, sleep)),
  planRollback: (ref) => watched('plan the way back', () => planRollback(deps, ref)),
  page: (message) => attempt('page', () => deps.pager.page(message)),
  closeRollout: (request) => watched('close', (sleep) => closeRollout(deps, request, sleep)),
});

/** Heartbeats; a worker's shutdown is no failure of the step either. */
const watched = <T>(action: string, act: (sleep: Sleep) => Promise<T>): Promise<T> =>
  attemptCancellable(action, () => heartbeating(act));
