import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Lease } from '../domain/guard/types';
import type {
  ContainmentRecord,
  ContainmentSnapshot,
  QuarantinePlan,
} from '../domain/quarantine/types';
import { watchProof } from './quarantine-hold';
import { leaseOf, type Run } from './quarantine-state';
import { show } from './quarantine-view';
import { isoTime } from './time';

/**
 * A lease is lost where the kill switch, or a guard that is down, made the step wait longer than an unconfirmed lease lives:
 * then it begins again. What was contained meanwhile, in part too, stays so: its record says what to restore.
 */
export async function leaseAndContain(run: Run): Promise<ContainmentSnapshot | null> {
  for (;;) {
    const snapshot = await leaseAndSnapshot(run);
    if (snapshot === null) return null;
    try {
      await contain(run, snapshot);
      return snapshot;
    } catch (err) {
      if (!isLeaseLost(err)) throw err;
      run.undo.forget();
    }
  }
}

const isLeaseLost = (err: unknown): boolean =>
  err instanceof ActivityFailure &&
  err.cause instanceof ApplicationFailure &&
  err.cause.type === 'LeaseLost';

/** How often a device that another run has just reserved is asked for again. */
const LEASE_TRIES = 5;

/**
 * A lease first, then a fresh snapshot. Things that share a certificate are contained with the device, so they are reserved
 * with it: where the snapshot finds some, the lease is widened and the snapshot taken again. Two such things that are reserved
 * at the same moment stand in each other's way: both let go and ask again after a random wait, and one comes first.
 */
async function leaseAndSnapshot(run: Run): Promise<ContainmentSnapshot | null> {
  const { state, steps, undo } = run;
  for (let tries = 0; tries < LEASE_TRIES;) {
    show(state, 'containing', 'ask the guard');
    const lease = await leaseOrAskPeople(run);
    if (lease === 'leased') {
      await undo.run();
      tries += 1;
      await sleep(500 + Math.random() * 2000, { summary: 'Another run holds it' });
      continue;
    }
    if (lease === null) break;
    state.lease = lease;
    undo.forget();
    undo.beforehand(() => steps.giveBack(lease));
    const snapshot = await steps.snapshot(state.thing);
    state.snapshot = snapshot;
    state.escalated = snapshot.escalated;
    state.mayBeInactive = snapshot.escalated;
    state.refusal = whyNot(run, snapshot);
    if (state.refusal !== '') break;
    if (snapshot.affectedThings.every((thing) => state.targets.includes(thing))) return snapshot;
    state.targets = [...new Set([...state.targets, ...snapshot.affectedThings])].sort();
  }
  await undo.run();
  return null;
}

/** Adopting asks no caps, so it must never contain what is not contained already. */
const whyNot = ({ plan }: Run, { alreadyContained, obstacles }: ContainmentSnapshot): string =>
  plan.adopt && !alreadyContained
    ? 'there is nothing to adopt: the device is not contained. Start again without `adopt`'
    : obstacles.join('; ');

async function leaseOrAskPeople({ state, plan, steps }: Run): Promise<Lease | 'leased' | null> {
  const request = {
    workflowId: workflowInfo().workflowId,
    things: state.targets,
    requestedBy: plan.requestedBy,
  };
  if (plan.adopt) return steps.adopt(request);
  const deadline = Date.now() + plan.approveWithinMs;
  for (;;) {
    const heard = state.approvalsHeard;
    const answer = await steps.reserve(request);
    state.targetHash = answer.targetHash;
    state.approvers = answer.approvers;
    if (answer.granted) return answer.lease;
    state.refusal = answer.explanation;
    const left = deadline - Date.now();
    if (answer.reason === 'leased') return 'leased';
    if (answer.reason !== 'approvalNeeded' || left <= 0) return null;
    show(state, 'awaitingApproval', `${answer.explanation} Until ${isoTime(deadline)}.`);
    const wait = Math.min(left, answer.retryAfterMs ?? left);
    // Also one that came while the guard was asked, which may have answered without it.
    await condition(() => state.approvalsHeard > heard, wait, { summary: 'Wait for approvals' });
  }
}

async function contain(run: Run, snapshot: ContainmentSnapshot): Promise<void> {
  const { state, plan, steps, undo } = run;
  const lease = leaseOf(state);
  show(state, 'containing', 'deny, disconnect');
  // Nobody lets go what was contained before this run but a person: until it is held again, nothing is undone.
  if (snapshot.alreadyContained) undo.forget();
  else undo.beforehand(() => steps.restore(snapshot));
  const { deniedAt, disconnectedAt } = await steps.contain({
    record: recordOf(plan, snapshot),
    lease,
  });
  state.proof = {
    requestedAt: isoTime(workflowInfo().runStartTime.getTime()),
    deniedByDocumentsAt: null,
    disconnectedAt,
    propagatedAt: null,
    refusalSeenAt: null,
    refusalSeenBy: null,
  };
  if (snapshot.alreadyContained) {
    undo.beforehand(() => steps.giveBack(lease));
    undo.beforehand(() => steps.restore(snapshot));
  }
  show(state, 'proving', 'read the documents and the session back, look for a refusal');
  watchProof(run, snapshot, deniedAt);
}

const recordOf = (plan: QuarantinePlan, snapshot: ContainmentSnapshot): ContainmentRecord => ({
  version: 1,
  workflowId: workflowInfo().workflowId,
  by: plan.requestedBy,
  reason: plan.reason,
  at: isoTime(Date.now()),
  breakGlass: false,
  debugUntil: isoTime(Date.now() + plan.debugLogsForMs),
  snapshot,
});
