import { ApplicationFailure } from '@temporalio/activity';
import type { RolloutPlan, RolloutRef } from '../../domain/rollout/types';
import type { RolloutDeps } from './deps';

/** Asked again at each wave: a plan that was never approved, or by people who were struck off since, goes no further. */
export async function checkApproved(
  { guard }: RolloutDeps,
  plan: RolloutPlan,
  ref: RolloutRef,
): Promise<void> {
  const { fleetSize } = await guard.status();
  const needed = approversNeeded(plan, fleetSize);
  if (needed === 0) return;
  const approvers = await guard.approversOf({
    workflowId: ref.workflowId,
    targetHash: ref.planHash,
    requestedBy: plan.settings.requestedBy,
  });
  if (approvers.length >= needed) return;
  throw ApplicationFailure.nonRetryable(
    `${needed} distinct people have to approve this plan, ${approvers.length} did: ${approvers.join(', ') || 'nobody'}`,
    'ApprovalMissing',
  );
}

/** It raises the security epoch, or a device has a hop that no signed revert leads back from. */
export const isOnlyForward = ({ release, routes }: RolloutPlan): boolean =>
  release.raisesEpoch || routes.some(({ hops }) => hops.some(({ revert }) => revert === null));

/** Of many devices, and of any that could not be brought back. */
export function approversNeeded(plan: RolloutPlan, fleetSize: number): number {
  const { count, percent, approvers } = plan.settings.approval;
  const devices = plan.waves.reduce((sum, { size }) => sum + size, 0);
  const above = Math.max(count, Math.floor((fleetSize * percent) / 100));
  return devices > above || isOnlyForward(plan) ? approvers : 0;
}
