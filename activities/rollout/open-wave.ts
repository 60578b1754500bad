import { ApplicationFailure } from '@temporalio/activity';
import { checkApproved } from './approval';
import type { RolloutDeps } from './deps';
import { LEASE_LIFE_MS, writeLease } from './lease';
import { readDevices, readPlan, waveOf } from './objects';
import type { OpenedWave, WaveAt } from './types';
import { readSkipped, writeSkipped } from './wave';

const EXAMPLES = 5;

/**
 * Safe to retry: the lease is the rollout's, so the guard answers with the same one, and a device that was left out once
 * stays out.
 */
export async function openWave(deps: RolloutDeps, at: WaveAt): Promise<OpenedWave> {
  const plan = await readPlan(deps.store, at.ref);
  if (plan.kind !== at.kind)
    throw ApplicationFailure.nonRetryable(`the plan is of a ${plan.kind}`, 'PlanChanged');
  const devices = await readDevices(deps.store, waveOf(plan, at.wave));
  const things = devices.map(({ thing }) => thing);
  const owner = plan.workflowId;
  const skipped = await readSkipped(deps, at);
  let fence = 0;
  let busy: { thing: string; owner: string }[];
  if (at.kind === 'rollback') busy = await deps.guard.heldBy(things, owner);
  else {
    await checkApproved(deps, plan, at.ref);
    const result = await deps.guard.leaseForWork({ owner, things, lifeMs: LEASE_LIFE_MS });
    await writeLease(deps, at.ref.rolloutId, result.lease);
    fence = result.lease.fence;
    busy = result.busy;
  }
  for (const each of busy) skipped.set(each.thing, each.owner);
  await writeSkipped(deps, at, skipped);
  const examples = [...skipped].slice(0, EXAMPLES).map(([thing, by]) => `${thing} (${by})`);
  return {
    fence,
    leased: things.length - skipped.size,
    skipped: { count: skipped.size, examples },
  };
}
