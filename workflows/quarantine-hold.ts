import {
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { quarantineJobId } from '../domain/ids';
import type { ContainmentSnapshot } from '../domain/quarantine/types';
import { messageOf } from './failure';
import {
  leaseOf,
  levelOf,
  note,
  type Decision,
  type QuarantineState,
  type Run,
} from './quarantine-state';
import { refresh, show } from './quarantine-view';
import { isoTime } from './time';

/** Rung by rung, for as long as it takes: an offline device is proven at its next connect. */
export function watchProof(run: Run, snapshot: ContainmentSnapshot, deniedAt: string): void {
  const { state, steps, background } = run;
  const { thing } = snapshot;
  const { runId } = workflowInfo();
  const lease = leaseOf(state);
  background.start('waiting for AWS to apply the policies', () =>
    waitForPropagation(run, snapshot, deniedAt),
  );
  background.start('reading the documents back', async () => {
    const { deniedByDocumentsAt } = await steps.verifyContained({ snapshot, lease });
    state.proof = state.proof && { ...state.proof, deniedByDocumentsAt };
    refresh(state);
  });
  background.start('looking for a refusal', async () => {
    const seen = await steps.seeRefusal({ thing, deniedAt, runId, lease });
    state.proof = state.proof && {
      ...state.proof,
      refusalSeenAt: seen.at,
      refusalSeenBy: seen.by,
    };
    refresh(state);
  });
}

/** AWS may act on the old policies for minutes. A refusal that was seen says more than the time that has passed. */
async function waitForPropagation(
  { state, plan, steps }: Run,
  snapshot: ContainmentSnapshot,
  deniedAt: string,
): Promise<void> {
  await sleep(plan.propagationMs, { summary: 'AWS applies the policies' });
  if (state.proof === null) return;
  if (state.proof.refusalSeenAt === null)
    await steps.dropSessionsBefore({
      things: snapshot.affectedThings,
      before: Date.parse(deniedAt) + plan.propagationMs,
      lease: leaseOf(state),
    });
  state.proof = { ...state.proof, propagatedAt: isoTime(Date.now()) };
  refresh(state);
}

/** Stops whatever else the device was told to do, then its application. Diagnostics stay alive. */
async function stopWhatItDoes({ state, plan, steps }: Run): Promise<void> {
  const { thing } = state;
  const { runId, workflowId } = workflowInfo();
  const lease = leaseOf(state);
  const jobId = quarantineJobId('contain', runId);
  state.cancelledJobs = await steps.cancelOtherJobs({ thing, lease });
  await steps.sendJob({
    thing,
    jobId,
    lease,
    document: { version: 1, requestedBy: workflowId, operation: 'contain', reason: plan.reason },
  });
  const { status } = await steps.awaitJob({ thing, jobId });
  if (status === 'SUCCEEDED') state.applicationStoppedAt = isoTime(Date.now());
  else note(state, `the device answered the contain job with ${status}`);
  refresh(state);
}

/** Holds the device until a person releases it; returns with the snapshot restored. */
export async function hold(run: Run, snapshot: ContainmentSnapshot): Promise<void> {
  const { state, plan, background, steps } = run;
  // Beside the hold: neither a job that can't be made nor the kill switch may keep a person from releasing the device.
  background.start('stopping what the device does', () => stopWhatItDoes(run));
  background.start('ending DEBUG logging', async () => {
    await sleep(plan.debugLogsForMs, { summary: 'DEBUG logging ends' });
    await steps.revertLogLevel(snapshot);
  });
  await condition(
    () => levelOf(state) === 'contained, observed' || state.decisions.length > 0,
    plan.proveWithinMs,
    { summary: 'Time to see a refusal' },
  );
  state.holdUntil = Date.now() + plan.holdForMs;
  for (;;) {
    const decision = await nextDecision(run);
    if (await carryOut(run, snapshot, decision)) break;
  }
  refuseDecisions(state, 'the device is released');
}

/** An Update that nobody answers would keep the run open for ever. */
export function refuseDecisions(state: QuarantineState, why: string): void {
  for (const decision of state.decisions.splice(0))
    decision.refuse(ApplicationFailure.nonRetryable(why, 'Refused'));
}

/** Waits for a person; a hold that ran out stays contained and says that a decision is overdue. */
async function nextDecision({ state }: Run): Promise<Decision> {
  for (;;) {
    const decision = state.decisions.shift();
    if (decision !== undefined) return decision;
    const waiting = () => state.decisions.length > 0;
    const left = (state.holdUntil ?? 0) - Date.now();
    const until = isoTime(state.holdUntil ?? 0);
    if (left <= 0) {
      show(
        state,
        'overdue',
        `a decision is overdue since ${until}: release, extendHold or escalate`,
      );
      await condition(waiting);
    } else {
      show(state, 'holding', `${levelOf(state)}; a person decides before ${until}`);
      await condition(waiting, left, { summary: 'Hold' });
    }
  }
}

/** True once the device is released. A decision that can't be carried out is answered with why, and the hold goes on. */
async function carryOut(
  run: Run,
  snapshot: ContainmentSnapshot,
  decision: Decision,
): Promise<boolean> {
  const { state } = run;
  const { by, reason } = decision.request;
  note(state, `${isoTime(Date.now())} ${decision.kind} by ${by}: ${reason}`);
  try {
    return await decide(run, snapshot, decision);
  } catch (err) {
    if (isCancellation(err)) throw err;
    if (state.partlyRestored)
      state.proof = state.proof && { ...state.proof, deniedByDocumentsAt: null };
    const left = state.partlyRestored
      ? 'The device may be restored in part: release again'
      : 'The device stays contained';
    refuse(run, decision, `it could not be carried out: ${messageOf(err)}. ${left}`);
    return false;
  }
}

function refuse({ state }: Run, decision: Decision, why: string): void {
  note(state, `${decision.kind} refused: ${why}`);
  const failure = ApplicationFailure.nonRetryable(why, 'Refused');
  failure.stack = '';
  decision.refuse(failure);
}

async function decide(
  run: Run,
  snapshot: ContainmentSnapshot,
  decision: Decision,
): Promise<boolean> {
  const { state } = run;
  switch (decision.kind) {
    case 'extendHold':
      state.holdUntil = Date.now() + decision.holdForMs;
      decision.answer(`held until ${isoTime(state.holdUntil)}`);
      return false;
    case 'escalate':
      if (await escalate(run, snapshot)) decision.answer('every certificate is INACTIVE');
      else refuse(run, decision, 'a release came before it could be carried out');
      return false;
    case 'release':
      return release(run, snapshot, decision);
  }
}

/** False where it still waited, for the kill switch say, when a release came. */
async function escalate({ state, steps }: Run, snapshot: ContainmentSnapshot): Promise<boolean> {
  state.mayBeInactive = true;
  const scope = new CancellationScope();
  const escalating = scope.run(() => steps.escalate({ snapshot, lease: leaseOf(state) }));
  const releaseAsked = () => state.decisions.some(({ kind }) => kind === 'release');
  await Promise.race([escalating, condition(releaseAsked)]);
  if (releaseAsked()) scope.cancel();
  try {
    await escalating;
    state.escalated = true;
    return true;
  } catch (err) {
    if (releaseAsked() && isCancellation(err)) return false;
    throw err;
  }
}

async function release(
  run: Run,
  snapshot: ContainmentSnapshot,
  decision: Decision,
): Promise<boolean> {
  const { state, steps, background } = run;
  const drift = state.partlyRestored
    ? []
    : await steps.driftSince({ snapshot, escalated: state.mayBeInactive });
  if (drift.length > 0) {
    refuse(
      run,
      decision,
      `somebody changed the device since it was contained, so it can't be restored exactly: ${drift.join('; ')}. Undo that, then release again`,
    );
    return false;
  }
  show(state, 'releasing', 'restore the snapshot');
  await background.stop();
  state.partlyRestored = true;
  await steps.restore(snapshot);
  state.released = true;
  decision.answer('restored exactly as it was; next it must be seen to publish again');
  return true;
}
