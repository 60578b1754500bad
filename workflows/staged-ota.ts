import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  RolloutSettings,
  StagedOtaInput,
  StagedOtaOutcome,
  StagedOtaResult,
} from '../domain/rollout/types';
import { messageOf, orUnwrapped } from './failure';
import { abort } from './staged-ota-abort';
import {
  addWaves,
  note,
  openRollout,
  planOf,
  statusOf,
  type Rollout,
  type RolloutState,
  type Stop,
} from './staged-ota-state';
import { hearResponders } from './staged-ota-steering';
import { resolveRollout, rolloutSteps } from './staged-ota-steps';
import { refresh, show, showOpening, showOutcome } from './staged-ota-view';
import { CurrentWave, throughWaves } from './staged-ota-waves';
import { isoTime } from './time';

/**
 * Ships a release to a fleet in waves: each is watched until its devices are healthy and soaked, and the gate lets the next
 * one start. Where the gate or a person stops it, every touched device is asked what it runs and brought back.
 */
export async function stagedOta(input: StagedOtaInput): Promise<StagedOtaResult> {
  const state = openRollout();
  // Temporal's form can send anything, nothing included: until it is checked, no field of the input is read.
  const settings = await orUnwrapped(
    resolveRollout({ input, workflowId: workflowInfo().workflowId }),
  );
  const run = begin(state, settings);
  state.plan = await freeze(run);
  if (settings.dryRun) return close(run, 'planned', 'Nothing was changed: this is the plan.');
  if (!(await approved(run))) return refused(run);
  addWaves(state, 'rollout', planOf(state));
  const { stop, cancelled } = await carried(run);
  if (stop === null) return finish(run, 'completed');
  const wentBack = await CancellationScope.nonCancellable(() => abort(run, stop));
  const result = await finish(run, wentBack ? 'rolledBack' : 'aborted');
  if (cancelled !== null) throw cancelled;
  return result;
}

function begin(state: RolloutState, settings: RolloutSettings): Rollout {
  const current = new CurrentWave();
  const run = { state, settings, steps: rolloutSteps(settings), current };
  state.settings = settings;
  hearResponders(run, (what) => current.tell(what));
  showOpening(state, workflowInfo().workflowId);
  return run;
}

async function freeze({ state, settings, steps }: Rollout) {
  const { workflowId, firstExecutionRunId: firstRunId } = workflowInfo();
  show(state, 'planning', 'select, stratify and freeze the devices');
  return orUnwrapped(steps.planRollout({ settings, workflowId, firstRunId }));
}

/** Bound to the hash of the plan; what was asked for is not waited for without end. */
async function approved({ state, settings }: Rollout): Promise<boolean> {
  const { approversNeeded } = planOf(state);
  if (approversNeeded === 0) return true;
  const until = isoTime(Date.now() + settings.approveWithinMs);
  show(state, 'awaitingApproval', `${approversNeeded} distinct people approve`, until);
  const enough = () => state.approvers.length >= approversNeeded;
  await condition(() => enough() || state.stop !== null, settings.approveWithinMs, {
    summary: 'Time to approve',
  });
  return enough() && state.stop === null;
}

/** A cancellation or a failure stops it as an abort does: no wave is left behind half done. */
async function carried(run: Rollout): Promise<{ stop: Stop | null; cancelled: Error | null }> {
  try {
    return { stop: await throughWaves(run), cancelled: null };
  } catch (err) {
    const cancelled = err instanceof Error && isCancellation(err) ? err : null;
    const why = cancelled === null ? `a step failed: ${reasonOf(err)}` : 'the run was cancelled';
    return { stop: { why, at: isoTime(Date.now()), rollback: false }, cancelled };
  }
}

/** A wave's failure wraps that of its step, which wraps the reason. */
function reasonOf(err: unknown): string {
  const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err;
  return messageOf(cause);
}

/** Gives the leases back, and says of every device where it ended. */
async function finish(run: Rollout, outcome: StagedOtaOutcome): Promise<StagedOtaResult> {
  const { state, steps } = run;
  const { ref } = planOf(state);
  show(state, state.phase, 'list every device');
  const closed = await CancellationScope.nonCancellable(() =>
    steps.closeRollout({ ref, rollback: state.rollback }),
  );
  state.devices = closed.counts;
  if (closed.counts.needsPerson > 0) await pageAbout(run, closed.counts.needsPerson);
  const { updated, rolledBack, untouched, needsPerson } = closed.counts;
  const counts = `${updated} updated, ${rolledBack} rolled back, ${untouched} untouched, ${needsPerson} need a person`;
  const why = state.stop === null ? '' : ` Stopped: ${state.stop.why}.`;
  return { ...(await close(run, outcome, `${counts}.${why}`)), list: closed.list };
}

const pageAbout = ({ state, settings, steps }: Rollout, devices: number): Promise<void> =>
  steps.page({
    id: `${planOf(state).ref.rolloutId}-needs-person`,
    subject: `${devices} devices need a person after the rollout of ${settings.release}`,
    text: state.stop?.why ?? 'They did not say what they run.',
  });

function refused(run: Rollout): Promise<StagedOtaResult> {
  const { state } = run;
  note(state, 'not approved in time');
  return close(run, 'refused', state.stop?.why ?? 'Not approved in time: nothing was changed.');
}

async function close(
  { state }: Rollout,
  outcome: StagedOtaOutcome,
  summary: string,
): Promise<StagedOtaResult> {
  showOutcome(state, outcome);
  await condition(allHandlersFinished);
  refresh(state);
  const { devices, plan } = state;
  return { ...statusOf(state), outcome, summary, devices, list: null, plan };
}
