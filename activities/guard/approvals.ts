import type { Guard } from '../../domain/guard/types';
import { verifyApproval } from './approval-token';
import type { ApproverKeys } from './approver-keys';
import { approvalRejected } from './failures';
import type { Approvals } from './items';
import { APPROVALS, KEYS } from './items';
import type { Store } from './store';

export interface ApprovalDeps {
  store: Store;
  approverKeys: ApproverKeys;
  now: () => number;
}

export interface ApprovalScope {
  workflowId: string;
  targetHash: string;
  requestedBy?: string;
}

export function createApprovals(deps: ApprovalDeps): Pick<Guard, 'approve' | 'approversOf'> {
  return {
    approve: createApprove(deps),
    approversOf: (scope) =>
      deps.store.settle(async () => {
        const key = KEYS.approvals(scope.workflowId, scope.targetHash);
        const { value } = (await deps.store.read([key])).cell(key, APPROVALS);
        const { approvals = [], together } = value ?? {};
        const lasting = together?.approvals ?? [];
        const now = await validApprovers(approvals, scope, deps);
        const then = await validApprovers(lasting, scope, {
          ...deps,
          now: () => together?.at ?? 0,
        });
        return now.length >= then.length ? now : then;
      }),
  };
}

/** Recording the same token again changes nothing; an approver's newer token replaces the older one. */
function createApprove({ store, approverKeys, now }: ApprovalDeps): Guard['approve'] {
  return async ({ token, ...scope }) => {
    const keys = await keysOrRejected(approverKeys);
    const judged = await verifyApproval({ ...toVerify(scope), token, keys, nowMs: now() });
    if (!judged.valid) throw approvalRejected(judged.reason);
    const { approver, jti, expiresAtMs } = judged;
    return store.settle(async () => {
      const key = KEYS.approvals(scope.workflowId, scope.targetHash);
      const cell = (await store.read([key])).cell(key, APPROVALS);
      const known = cell.value?.approvals ?? [];
      const same = known.find((approval) => approval.jti === jti);
      if (same?.spent === true)
        throw approvalRejected('it has granted an act already: sign a new one');
      if (same !== undefined) return validApprovers(known, scope, { approverKeys, now });
      const kept = known.filter((a) => a.approver !== approver && a.expiresAt > now());
      const approvals = [...kept, { token, approver, jti, expiresAt: expiresAtMs, spent: false }];
      const people = await validApprovers(approvals, scope, { approverKeys, now });
      const before = cell.value?.together;
      const isMost = people.length >= (before?.approvals.length ?? 0);
      const together = isMost
        ? { at: now(), approvals: approvals.filter((one) => people.includes(one.approver)) }
        : before;
      await store.commit([
        store.put(cell, { approvals, ...(together !== undefined && { together }) }),
      ]);
      return people;
    });
  };
}

/** Distinct people whose unspent tokens verify now. Keys that can't be read approve nothing. */
export async function validApprovers(
  approvals: Approvals['approvals'],
  scope: ApprovalScope,
  { approverKeys, now }: Pick<ApprovalDeps, 'approverKeys' | 'now'>,
): Promise<string[]> {
  const unspent = approvals.filter((approval) => !approval.spent);
  if (unspent.length === 0) return [];
  const keys = await approverKeys().catch(() => []);
  const judged = await Promise.all(
    unspent.map(({ token }) => verifyApproval({ ...toVerify(scope), token, keys, nowMs: now() })),
  );
  const people = judged.flatMap((one) => (one.valid ? [one.approver] : []));
  return [...new Set(people)].sort();
}

const toVerify = ({ workflowId, targetHash, requestedBy }: ApprovalScope) => ({
  workflowId,
  targetHash,
  requestedBy: requestedBy ?? null,
});

async function keysOrRejected(approverKeys: ApproverKeys) {
  try {
    return await approverKeys();
  } catch (err) {
    throw approvalRejected(err instanceof Error ? err.message : String(err));
  }
}
