import { setCurrentDetails } from '@temporalio/workflow';
import { formatDuration } from '../domain/duration';
import type { PlanSummary, StagedOtaOutcome, StagedOtaPhase } from '../domain/rollout/types';
import { label, list, paragraphs, plain } from './markdown';
import type { RolloutState } from './staged-ota-state';
import { wavesTable } from './staged-ota-table';

/** Temporal UI shows at most 20 KB. */
const SHOWN = { waves: 20, findings: 10, decisions: 20 };

export function show(
  state: RolloutState,
  phase: StagedOtaPhase,
  next: string,
  nextAt: string | null = null,
): void {
  const moved = state.phase !== phase;
  Object.assign(state, { phase, next, nextAt });
  if (moved) label({ IotPhase: phase });
  refresh(state);
}

export function refresh(state: RolloutState): void {
  setCurrentDetails(details(state));
}

export function showOpening(state: RolloutState, workflowId: string): void {
  label({ IotRunbook: 'stagedOta', IotIncident: workflowId, IotPhase: state.phase });
  refresh(state);
}

export function showOutcome(state: RolloutState, outcome: StagedOtaOutcome): void {
  Object.assign(state, { phase: 'closed', next: 'nothing: this run is over', nextAt: null });
  label({ IotPhase: 'closed', IotOutcome: outcome });
  refresh(state);
}

function details(state: RolloutState): string {
  const { settings, plan, devices } = state;
  return paragraphs([
    `## ${plain(settings?.release ?? 'a rollout')}`,
    `**Phase** ${state.phase} · **Next** ${plain(state.next)}${state.nextAt === null ? '' : ` · at ${state.nextAt}`}`,
    settings &&
      `**Why** ${plain(settings.reason)} (asked by ${plain(settings.requestedBy)}${settings.emergency ? '; emergency: windows do not hold' : ''})`,
    plan && planLine(plan),
    ...wavesTable(state.waves.slice(0, SHOWN.waves)),
    list('Reasons', state.waves.flatMap(({ reasons }) => reasons).slice(-SHOWN.findings)),
    state.stop && `**Stopped** ${state.stop.at}: ${plain(state.stop.why)}`,
    state.abortAcknowledgedAt &&
      `**Abort acknowledged** ${state.abortAcknowledgedAt}: no device switches any more`,
    devices &&
      `**Devices** ${devices.updated} updated, ${devices.rolledBack} rolled back, ${devices.untouched} untouched, ${devices.needsPerson} need a person`,
    state.phase === 'awaitingApproval' && plan && approvalLine(state, plan),
    list('Findings', [...(plan?.findings ?? []), ...state.findings].slice(0, SHOWN.findings)),
    list('Decisions', state.log.slice(-SHOWN.decisions)),
  ]);
}

const planLine = (plan: PlanSummary): string =>
  `**Plan** ${plan.devices} of ${plan.fleetSize} devices in ${plan.waves.length} waves; at most ${plan.worstCaseAtRisk} at risk at once; about ${formatDuration(roundUp(plan.estimatedMs))} without soaks${plan.onlyForward ? '; **only forward: some of it can’t be undone**' : ''}; hash \`${plan.ref.planHash}\``;

const roundUp = (ms: number): number => Math.max(1_000, Math.ceil(ms / 1_000) * 1_000);

const approvalLine = ({ approvers }: RolloutState, { ref, approversNeeded }: PlanSummary): string =>
  `**Approve** with \`npm run guard -- approve ${ref.workflowId} --as <you>\`, then send its token by Update \`approve\`. ${approversNeeded} distinct people are needed; approved so far: ${approvers.join(', ') || 'nobody'}`;

/** For who signs: what the hash stands for. */
export const approvalSummary = ({ devices, fleetSize, waves, onlyForward }: PlanSummary): string =>
  `${devices} of ${fleetSize} devices in waves of ${waves.map(({ size }) => size).join(', ')}${onlyForward ? '; can only roll forward' : ''}`;
