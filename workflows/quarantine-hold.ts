import {
  ApplicationFailure,
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
  type Decision,
  type QuarantineState,
  type Run,
} from './quarantine-state';
import { refresh, show } from './quarantine-view';

/** Rung by rung, for as long as it takes: an offline device is proven at its next connect. */
export function watchProof(run: Run, snapshot: ContainmentSnapshot, deniedAt: string): void {
  const { state, steps, background } = run;
  const { thing } = snapshot;
  const { runId } = workflowInfo();
  const lease = leaseOf(state);
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

/** Holds the device until a person releases it; returns with the snapshot restored. */
export async function hold(run: Run, snapshot: ContainmentSnapshot): Promise<void> {
  const { state, plan, background, steps } = run;
  background.start('waiting for the application to stop', async () => {
    const jobId = quarantineJobId('contain', workflowInfo().runId);
    const { status } = await steps.awaitJob({ thing: snapshot.thing, jobId });
    if (status === 'SUCCEEDED') state.applicationStoppedAt = isoTime(Date.now());
    else state.log.push(`the device answered the contain job with ${status}`);
    refresh(state);
  });
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
  state.log.push(`${isoTime(Date.now())} ${decision.kind} by ${by}: ${reason}`);
  try {
    return await decide(run, snapshot, decision);
  } catch (err) {
    if (isCancellation(err)) throw err;
    refuse(
      run,
      decision,
      `it could not be carried out: ${messageOf(err)}. The device stays contained`,
    );
    return false;
  }
}

function refuse({ state }: Run, decision: Decision, why: string): void {
  state.log.push(`${decision.kind} refused: ${why}`);
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
      await escalate(run, snapshot);
      decision.answer('every certificate is INACTIVE');
      return false;
    case 'release':
      return release(run, snapshot, decision);
  }
}

async function escalate({ state, steps }: Run, snapshot: ContainmentSnapshot): Promise<void> {
  // Half done counts as done: what is INACTIVE must be restored.
  state.escalated = true;
  await steps.escalate({ snapshot, lease: leaseOf(state) });
}

async function release(
  run: Run,
  snapshot: ContainmentSnapshot,
  decision: Decision,
): Promise<boolean> {
  const { state, steps, background } = run;
  const drift = await steps.driftSince({ snapshot, escalated: state.escalated });
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
  await steps.restore(snapshot);
  state.released = true;
  decision.answer('restored exactly as it was; next it must be seen to publish again');
  return true;
}

export const isoTime = (ms: number): string => new Date(ms).toISOString();
