import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import type { Alarm } from '../domain/alarm/types';
import type {
  QuarantineInput,
  QuarantineOutcome,
  QuarantinePlan,
  QuarantineResult,
} from '../domain/quarantine/types';
import { Background } from './background';
import { orUnwrapped } from './failure';
import { leaseAndContain } from './quarantine-contain';
import { hold, refuseDecisions } from './quarantine-hold';
import {
  leaseOf,
  note,
  openState,
  statusOf,
  type QuarantineState,
  type Run,
} from './quarantine-state';
import { hearAlarms, hearResponders } from './quarantine-steering';
import { resolve, stepsWith } from './quarantine-steps';
import { refresh, show, showOpening, showOutcome } from './quarantine-view';
import { Undo } from './undo';
import { isoTime } from './time';

/**
 * Cuts a device off from everything but its own Jobs, proves it, holds it until a person decides, gives it back exactly as it
 * was, and watches it for a while. Cancellation and failure put everything back.
 */
export async function quarantine(input: QuarantineInput): Promise<QuarantineResult> {
  const state = openState();
  hearAlarms(state, input);
  // Temporal's form can send anything, nothing included: until it is checked, no field of the input is read.
  const plan = await orUnwrapped(resolve({ input, workflowId: workflowInfo().workflowId }));
  const run = begin(state, plan);
  try {
    if (plan.dryRun) return await planOnly(run);
    const snapshot = await leaseAndContain(run);
    if (snapshot === null) return await close(run, 'refused', state.refusal);
    await hold(run, snapshot);
    await proveReleased(run);
    await probation(run);
    if (state.relapse === null) return await close(run, 'released', releasedSummary(state));
  } catch (err) {
    await undoAll(run, isCancellation(err));
    throw err;
  }
  return containAgain(input, state.relapse);
}

function begin(state: QuarantineState, plan: QuarantinePlan): Run {
  const steps = stepsWith(plan);
  const background = new Background((failure) => {
    note(state, failure);
    refresh(state);
  });
  state.plan = plan;
  state.thing = plan.thing;
  state.targets = [plan.thing];
  hearResponders(state, steps);
  showOpening(state);
  return { state, plan, steps, undo: new Undo(), background };
}

async function planOnly({ state, steps }: Run): Promise<QuarantineResult> {
  const plan = await steps.planContainment(await steps.snapshot(state.thing));
  showOutcome(state, 'planned');
  return { ...resultOf(state, 'planned', 'Nothing was changed: this is the plan.'), plan };
}

/** The device is restored and told to resume by now: what is left to undo is the lease. */
async function proveReleased({ state, plan, steps, undo }: Run): Promise<void> {
  const { thing } = state;
  const { runId } = workflowInfo();
  const lease = leaseOf(state);
  undo.forget();
  undo.beforehand(() => steps.giveBack(lease));
  show(state, 'releasing', 'see the device publish again');
  const looking = new Background((failure) => note(state, failure));
  looking.start('seeing it publish again', async () => {
    state.canPublishAgainAt = await steps.seeAcceptance({ thing, runId });
  });
  const settled = () => state.canPublishAgainAt !== null || state.relapse !== null;
  await condition(settled, plan.proveWithinMs, { summary: 'Time to publish again' });
  await looking.stop();
  await undo.run();
}

async function probation({ state, plan }: Run): Promise<void> {
  const until = isoTime(Date.now() + plan.probationMs);
  show(state, 'probation', `a new alarm before ${until} contains it again at once`);
  await condition(() => state.relapse !== null, plan.probationMs, { summary: 'Probation' });
}

/** A new run under the same id, so that the lock is never open in between. */
async function containAgain(input: QuarantineInput, alarm: Alarm): Promise<never> {
  await condition(allHandlersFinished);
  const reason = `alarm ${alarm.name} during probation: ${alarm.reason}`.slice(0, 512);
  return continueAsNew<typeof quarantine>({ ...input, alarm, reason, adopt: false });
}

async function undoAll(run: Run, cancelled: boolean): Promise<void> {
  const { state, undo, background } = run;
  show(state, 'undoing', 'restore the snapshot');
  await CancellationScope.nonCancellable(() => background.stop());
  await undo.run();
  refuseDecisions(state, 'the run is over');
  showOutcome(state, cancelled ? 'cancelled' : 'failed');
}

async function close(
  { state }: Run,
  outcome: QuarantineOutcome,
  summary: string,
): Promise<QuarantineResult> {
  showOutcome(state, outcome);
  await condition(allHandlersFinished);
  return resultOf(state, outcome, summary);
}

const resultOf = (
  state: QuarantineState,
  outcome: QuarantineOutcome,
  summary: string,
): QuarantineResult => ({ ...statusOf(state), outcome, summary });

const releasedSummary = ({ canPublishAgainAt }: QuarantineState): string =>
  canPublishAgainAt === null
    ? 'Released; the device was not seen to publish again in time.'
    : `Released; the device published again at ${canPublishAgainAt}.`;
