import { defineQuery, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';
import type { ApproveRequest } from '../domain/quarantine/types';
import type { StagedOtaPhase, StagedOtaStatus, SteerRequest } from '../domain/rollout/types';
import { UPDATES } from '../domain/temporal';
import { orUnwrapped } from './failure';
import { waveNews, type WaveNews, type WaveSteering } from './ota-wave-state';
import { note, planOf, statusOf, viewOf, type Rollout } from './staged-ota-state';
import { approvalSummary, refresh, show } from './staged-ota-view';
import { refuse, requireText } from './steering';
import { isoTime } from './time';

export const approveRollout = defineUpdate<string, [ApproveRequest]>(UPDATES.approve);
const steering = (name: string) => defineUpdate<string, [SteerRequest]>(name);
export const pauseRollout = steering(UPDATES.pause);
export const resumeRollout = steering(UPDATES.resume);
export const advanceRollout = steering(UPDATES.advance);
export const abortRollout = steering(UPDATES.abort);
export const rollBackRollout = steering(UPDATES.rollback);
/** Where the run stands, for programs; a person reads the current details. */
export const rolloutStatus = defineQuery<StagedOtaStatus>('status');
/** What an approver is asked to sign. */
export const rolloutApprovalTarget = defineQuery<{
  targetHash: string;
  targets: string[];
  summary: string;
}>('approvalTarget');

/** Phases in which waves go on. */
const ROLLING: StagedOtaPhase[] = ['waiting', 'dispatching', 'holding', 'paused', 'soaking'];

type Tell = (what: WaveSteering) => Promise<void>;

/** `tell` reaches the wave that is carried now, if one is. */
export function hearResponders(run: Rollout, tell: Tell): void {
  const { state } = run;
  setHandler(rolloutStatus, () => statusOf(state));
  setHandler(rolloutApprovalTarget, () => ({
    targetHash: state.phase === 'awaitingApproval' ? planOf(state).ref.planHash : '',
    targets: [],
    summary: state.plan === null ? '' : approvalSummary(state.plan),
  }));
  setHandler(waveNews, (news) => hearWave(run, news));
  setHandler(approveRollout, (request) => approve(run, request), {
    validator: (request) => {
      requireText(request, ['token']);
      if (state.phase !== 'awaitingApproval')
        refuse(`nothing awaits approval: the phase is ${state.phase}`);
    },
  });
  hearWaves(run, tell);
  hearEnds(run, tell);
}

function hearWaves({ state }: Rollout, tell: Tell): void {
  setHandler(pauseRollout, (request) => steer('pause', request), {
    validator: (request) => {
      requireRolling(request);
      if (state.paused) refuse('the rollout is paused already');
    },
  });
  setHandler(resumeRollout, (request) => steer('resume', request), {
    validator: (request) => {
      requireRolling(request);
      if (!state.paused) refuse('the rollout is not paused');
    },
  });
  setHandler(advanceRollout, (request) => steer('advance', request), {
    validator: (request) => {
      requireRolling(request);
      if (state.paused) refuse('the rollout is paused: Update `resume` first');
    },
  });
  function requireRolling(request: unknown): void {
    requireText(request, ['by', 'reason']);
    const rollingBack = state.phase === 'rollingBack' && state.wave !== null;
    if (!ROLLING.includes(state.phase) && !rollingBack)
      refuse(`no wave is under way: the phase is ${state.phase}, next: ${state.next}`);
  }
  async function steer(
    what: 'pause' | 'resume' | 'advance',
    { by, reason }: SteerRequest,
  ): Promise<string> {
    if (what !== 'advance') state.paused = what === 'pause';
    note(state, `${what} by ${by}: ${reason}`);
    refresh(state);
    await tell(what);
    return ANSWERS[what];
  }
}

const ANSWERS = {
  pause: 'no further device is asked; what is in flight ends, and is watched',
  resume: 'the rollout goes on',
  advance: 'a hold, or the rest of the soak, does not count any more; an abort still does',
};

function hearEnds({ state }: Rollout, tell: Tell): void {
  setHandler(abortRollout, (request) => stop(request, false), {
    validator: (request) => requireStoppable(request),
  });
  setHandler(rollBackRollout, (request) => stop(request, true), {
    validator: (request) => requireStoppable(request),
  });
  function requireStoppable(request: unknown): void {
    requireText(request, ['by', 'reason']);
    if (![...ROLLING, 'awaitingApproval', 'needsPerson'].includes(state.phase))
      refuse(`there is nothing to stop: the phase is ${state.phase}, next: ${state.next}`);
  }
  async function stop({ by, reason }: SteerRequest, rollback: boolean): Promise<string> {
    const what = rollback ? 'rollback' : 'abort';
    note(state, `${what} by ${by}: ${reason}`);
    state.stop = { why: `${what} by ${by}: ${reason}`, at: isoTime(Date.now()), rollback };
    refresh(state);
    await tell('stop');
    return rollback
      ? 'stopping; touched devices go back to what they came from'
      : 'stopping; every device will be listed';
  }
}

async function approve({ state, settings, steps }: Rollout, request: ApproveRequest) {
  const { ref } = planOf(state);
  const { requestedBy } = settings;
  const approvers = await orUnwrapped(
    steps.approveRollout({ ref, token: request.token, requestedBy }),
  );
  // Of two that come together, the answer to the first may come last. What acts asks the guard itself.
  if (approvers.length >= state.approvers.length) state.approvers = approvers;
  note(state, `approved so far by ${state.approvers.join(', ')}`);
  refresh(state);
  return `approved so far by ${state.approvers.join(', ')} for ${workflowInfo().workflowId}`;
}

function hearWave({ state }: Rollout, { view, next, nextAt }: WaveNews): void {
  const known = viewOf(state, view.kind, view.number);
  // News may come after the wave's end, which says more.
  if (known === undefined || known.state === 'passed' || known.state === 'stopped') return;
  Object.assign(known, view);
  if (view.state === 'passed' || view.state === 'stopped') return;
  if (view.kind === 'rollback') show(state, 'rollingBack', next, nextAt);
  else if (state.stop === null) show(state, view.state, next, nextAt);
}
