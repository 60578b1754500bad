import { defineQuery, defineUpdate, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Alarm } from '../domain/alarm/types';
import { parseDuration } from '../domain/duration';
import type {
  ApproveRequest,
  EscalateRequest,
  ExtendHoldRequest,
  QuarantinePhase,
  QuarantineStatus,
  ReleaseRequest,
} from '../domain/quarantine/types';
import { UPDATES } from '../domain/temporal';
import { orUnwrapped } from './failure';
import { statusOf, type Decision, type QuarantineState } from './quarantine-state';
import type { Steps } from './quarantine-steps';
import { refresh } from './quarantine-view';
import { fieldOf, refuse, requireText } from './steering';

export const alarmUpdate = defineUpdate<string, [{ alarm: Alarm; eventId: string }]>(UPDATES.alarm);
export const approveUpdate = defineUpdate<string, [ApproveRequest]>(UPDATES.approve);
export const releaseUpdate = defineUpdate<string, [ReleaseRequest]>(UPDATES.release);
export const extendHoldUpdate = defineUpdate<string, [ExtendHoldRequest]>(UPDATES.extendHold);
export const escalateUpdate = defineUpdate<string, [EscalateRequest]>(UPDATES.escalate);
/** Where the run stands, for programs; a person reads the current details. */
export const statusQuery = defineQuery<QuarantineStatus>('status');
/** What an approver is asked to sign. */
export const approvalTargetQuery = defineQuery<{ targetHash: string; targets: string[] }>(
  'approvalTarget',
);

/** An alarm taken here would start nothing. */
const ENDING: QuarantinePhase[] = ['undoing', 'closed'];
const HELD: QuarantinePhase[] = ['proving', 'holding', 'overdue'];
const MAX_ALARM_EVENTS = 1000;
const MAX_HOLD_MS = 30 * 24 * 60 * 60 * 1000;

/** Set before anything is awaited: the Update that starts a run must be accepted even where its input is then refused. */
export function hearAlarms(state: QuarantineState, input: unknown): void {
  const dryRun = fieldOf(input, 'dryRun') === true;
  setHandler(alarmUpdate, (request) => receiveAlarm(state, request), {
    validator: (request: unknown) => {
      requireAlarm(request);
      if (dryRun || ENDING.includes(state.phase))
        refuse('this run contains nothing: the intake tries again until a new one can start');
    },
  });
}

/** A validator's refusal leaves no event; its text is what the responder reads. */
export function hearResponders(state: QuarantineState, steps: Steps): void {
  setHandler(statusQuery, () => statusOf(state));
  setHandler(approvalTargetQuery, () => ({ targetHash: state.targetHash, targets: state.targets }));
  setHandler(approveUpdate, (request) => approve(state, steps, request), {
    validator: (request) => {
      requireText(request, ['token']);
      if (state.phase !== 'awaitingApproval')
        refuse(`nothing awaits approval: the phase is ${state.phase}`);
    },
  });
  setHandler(releaseUpdate, (request) => decide(state, { kind: 'release', request }), {
    validator: (request) => requireHeld(state, request),
  });
  setHandler(escalateUpdate, (request) => decide(state, { kind: 'escalate', request }), {
    validator: (request) => {
      requireHeld(state, request);
      if (state.escalated) refuse('the certificates are INACTIVE already');
    },
  });
  setHandler(
    extendHoldUpdate,
    (request) =>
      decide(state, {
        kind: 'extendHold',
        request,
        holdForMs: parseDuration(request.holdFor) ?? 0,
      }),
    {
      validator: (request: ExtendHoldRequest) => {
        requireHeld(state, request, ['holdFor']);
        const ms = parseDuration(request.holdFor);
        if (ms === null || ms < 1000 || ms > MAX_HOLD_MS)
          refuse('holdFor: must be a duration of 1 second to 30 days, such as `4 hours`');
      },
    },
  );
}

/** An intake sends no other; a person can send anything, and an error in a handler would block the run. */
function requireAlarm(request: unknown): void {
  const alarm = fieldOf(request, 'alarm');
  const texts = [fieldOf(request, 'eventId'), fieldOf(alarm, 'name'), fieldOf(alarm, 'reason')];
  if (texts.some((text) => typeof text !== 'string'))
    refuse('eventId, alarm.name, alarm.reason: must be texts; alarms come from the intake');
}

function receiveAlarm(
  state: QuarantineState,
  { alarm, eventId }: { alarm: Alarm; eventId: string },
): string {
  if (state.alarmEvents.includes(eventId)) return state.phase;
  if (state.alarmEvents.length < MAX_ALARM_EVENTS) state.alarmEvents.push(eventId);
  if (state.released) state.relapse = alarm;
  refresh(state);
  return state.phase;
}

async function approve(
  state: QuarantineState,
  steps: Steps,
  { token }: ApproveRequest,
): Promise<string> {
  state.approvers = await orUnwrapped(
    steps.approve({
      token,
      workflowId: workflowInfo().workflowId,
      things: state.targets,
      requestedBy: state.plan?.requestedBy ?? '',
    }),
  );
  state.approvalsHeard += 1;
  refresh(state);
  return `approved so far by ${state.approvers.join(', ')}`;
}

type Asked = Decision extends infer D
  ? D extends Decision
    ? Omit<D, 'answer' | 'refuse'>
    : never
  : never;

/** Hands the decision to the runbook's main line, one at a time and in order. */
const decide = (state: QuarantineState, asked: Asked): Promise<string> =>
  new Promise((answer, refuse) => {
    state.decisions.push({ ...asked, answer, refuse });
  });

function requireHeld(state: QuarantineState, request: unknown, more: string[] = []): void {
  requireText(request, ['by', 'reason', ...more]);
  if (!HELD.includes(state.phase))
    refuse(
      `the device is not held: the phase is ${state.phase}${state.next && `, next: ${state.next}`}`,
    );
}
