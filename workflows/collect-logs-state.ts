import { setCurrentDetails } from '@temporalio/workflow';
import type {
  CollectLogsOutcome,
  CollectLogsPhase,
  CollectLogsPlan,
  CollectLogsResult,
} from '../domain/evidence/collect-logs';
import type { ChainHead, EvidenceItem } from '../domain/evidence/types';
import type { CollectSteps } from './collect-logs-steps';
import { label, list, paragraphs, plain } from './markdown';
import type { Undo } from './undo';

/** What one collection carries through its steps. */
export interface Collection {
  plan: CollectLogsPlan;
  steps: CollectSteps;
  undo: Undo;
  phase: CollectLogsPhase;
  /** What happens next, one sentence. */
  next: string;
  /** The end of the chain when the run began. */
  since: ChainHead;
  head: ChainHead | null;
  items: EvidenceItem[];
}

const SHOWN = 50;

/** Moves the run on and shows it. The phase is a search attribute too, since current details need a live worker. */
export function show(run: Collection, phase: CollectLogsPhase, next: string): void {
  run.phase = phase;
  run.next = next;
  label({ IotPhase: phase });
  setCurrentDetails(details(run));
}

export function showOpening({ plan }: Collection): void {
  const { thing, incident } = plan;
  label({ IotThing: thing, IotIncident: incident, IotRunbook: 'collectLogs' });
}

export function showOutcome(run: Collection, outcome: CollectLogsOutcome): void {
  label({ IotOutcome: outcome });
  show(run, 'closed', 'nothing: this run is over');
}

const missingOf = ({ items }: Collection): string[] =>
  items.flatMap(({ what, partial }) => partial.map((why) => `${what}: ${why}`)).slice(0, SHOWN);

const bundleOf = ({ items }: Collection): EvidenceItem | null =>
  items.findLast(({ what, key }) => what.startsWith('device/') && key !== null) ?? null;

export function resultOf(run: Collection, outcome: CollectLogsOutcome): CollectLogsResult {
  const { plan, head, items } = run;
  const bundle = bundleOf(run);
  const { device = null, receipt = null } = bundle?.sha256 ?? {};
  const kept = items.filter(({ key }) => key !== null).length;
  const missing = missingOf(run);
  return {
    ...{ thing: plan.thing, incident: plan.incident, outcome, missing, head },
    summary: `${kept} objects kept of incident ${plan.incident}, ${bundle === null ? 'none of them from' : 'one of them from'} the device; ${missing.length === 0 ? 'nothing is missing' : `${missing.length} things are missing`}.`,
    bundle:
      bundle?.key == null || receipt === null
        ? null
        : { key: bundle.key, bytes: bundle.bytes ?? 0, sha256: receipt },
    hashesMatch: device === null || receipt === null ? null : device === receipt,
  };
}

export const outcomeOf = (run: Collection): CollectLogsOutcome =>
  missingOf(run).length === 0 ? 'collected' : 'partial';

function details(run: Collection): string {
  const { plan, phase, next, items } = run;
  return paragraphs([
    `## Evidence of ${plain(plan.thing)}`,
    `**Phase** ${phase} · **Next** ${plain(next)} · **Incident** ${plan.incident}`,
    `**Why** ${plain(plan.reason)} (asked by ${plain(plan.requestedBy)})`,
    items.length > 0 && '| evidence | bytes | SHA-256 |\n|---|---|---|',
    ...items.map(
      ({ what, bytes, sha256 }) =>
        `| ${plain(what)} | ${bytes ?? '–'} | ${sha256.receipt?.slice(0, 12) ?? '–'} |`,
    ),
    '',
    list('Missing', missingOf(run)),
    phase === 'closed' &&
      `Check it with \`npm run runbooks -- evidence verify ${plan.incident}\`${run.head === null ? '' : ` --head ${run.head.sequence}:${run.head.hash}`}`,
  ]);
}
