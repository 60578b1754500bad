import { setCurrentDetails } from '@temporalio/workflow';
import type { QuarantineOutcome, QuarantinePhase } from '../domain/quarantine/types';
import { label, list, paragraphs, plain } from './markdown';
import { levelOf, type QuarantineState } from './quarantine-state';

/** Temporal UI shows at most 20 KB. */
const SHOWN_DECISIONS = 20;

/** Moves the run on and shows it. The phase is a search attribute too, since current details need a live worker. */
export function show(state: QuarantineState, phase: QuarantinePhase, next: string): void {
  const moved = state.phase !== phase;
  state.phase = phase;
  state.next = next;
  if (moved) label({ IotPhase: phase });
  refresh(state);
}

/** Shows what changed within the phase. */
export function refresh(state: QuarantineState): void {
  setCurrentDetails(details(state));
}

export function showOpening(state: QuarantineState): void {
  const { plan, thing } = state;
  label({
    IotThing: thing,
    IotRunbook: 'quarantine',
    IotPhase: state.phase,
    ...(plan && { IotSeverity: plan.severity, IotIncident: incidentOf(state) }),
  });
  refresh(state);
}

export function showOutcome(state: QuarantineState, outcome: QuarantineOutcome): void {
  state.phase = 'closed';
  state.next = 'nothing: this run is over';
  label({ IotPhase: 'closed', IotOutcome: outcome });
  refresh(state);
}

const incidentOf = (state: QuarantineState): string => `device/${state.thing}`;

function details(state: QuarantineState): string {
  const { plan, proof, snapshot } = state;
  const rows: [string, string | null][] = [
    ['requested', proof?.requestedAt ?? null],
    ['denied by documents', proof?.deniedByDocumentsAt ?? null],
    ['disconnected', proof?.disconnectedAt ?? null],
    ['AWS had time to apply it', proof?.propagatedAt ?? null],
    [
      `refusal seen${proof?.refusalSeenBy ? ` (${proof.refusalSeenBy})` : ''}`,
      proof?.refusalSeenAt ?? null,
    ],
    ['application stopped', state.applicationStoppedAt],
    ['can publish again', state.canPublishAgainAt],
  ];
  return paragraphs([
    `## ${plain(state.thing)}: ${state.released ? `given back, was ${levelOf(state)}` : levelOf(state)}`,
    `**Phase** ${state.phase} · **Next** ${plain(state.next)}`,
    plan &&
      `**Why** ${plain(plan.reason)} (asked by ${plain(plan.requestedBy)}, severity ${plan.severity})`,
    '| step | when |\n|---|---|',
    ...rows.map(([step, at]) => `| ${step} | ${at ?? '–'} |`),
    '',
    state.phase === 'awaitingApproval' &&
      `**Approve** with \`npm run guard -- approve quarantine/${state.thing} --as <you>\`, then send its token by Update \`approve\`. Targets: ${state.targets.join(', ')}; hash \`${state.targetHash}\`; approved so far: ${state.approvers.join(', ') || 'nobody'}`,
    state.escalated &&
      '**Escalated**: the certificates are INACTIVE, so the Jobs path is closed too.',
    state.alarmEvents.length > 0 && `**Alarms received** ${state.alarmEvents.length}`,
    state.cancelledJobs.length > 0 && `**Cancelled jobs** ${state.cancelledJobs.join(', ')}`,
    list('Findings', snapshot?.findings ?? []),
    list('Decisions', state.log.slice(-SHOWN_DECISIONS)),
    consoleLink(state),
  ]);
}

function consoleLink({ snapshot, thing }: QuarantineState): string | null {
  const region = snapshot?.certificates[0]?.arn.split(':')[3];
  if (region === undefined) return null;
  return `[AWS IoT console](https://${region}.console.aws.amazon.com/iot/home?region=${region}#/thing/${thing})`;
}
