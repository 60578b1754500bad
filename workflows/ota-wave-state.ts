import {
  defineSignal,
  getExternalWorkflowHandle,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { RolloutRef, WaveCounts, WaveView } from '../domain/rollout/types';
import { list, paragraphs, plain } from './markdown';
import { wavesTable } from './staged-ota-table';

export interface OtaWaveInput {
  ref: RolloutRef;
  kind: 'rollout' | 'rollback';
  wave: number;
  size: number;
  release: string;
  soakMs: number;
  stepTimeoutMs: number;
  paused: boolean;
}

export interface WaveOutcome {
  end: 'passed' | 'abort' | 'stopped';
  counts: WaveCounts | null;
  reasons: string[];
  /** When the threshold was crossed, where it was. */
  crossedAt: string | null;
}

/** From the rollout to its wave. */
export type WaveSteering = 'pause' | 'resume' | 'advance' | 'stop';
export const steerWave = defineSignal<[WaveSteering]>('steer');

/** From a wave to its rollout. */
export interface WaveNews {
  view: WaveView;
  next: string;
  nextAt: string | null;
}
export const waveNews = defineSignal<[WaveNews]>('wave');

export interface WaveState {
  input: OtaWaveInput;
  view: WaveView;
  next: string;
  nextAt: string | null;
  paused: boolean;
  stopped: boolean;
  /** By a person: a hold, or the rest of a soak, does not count. */
  advanced: boolean;
  /** Rises with every steering, so that what waits can tell. */
  steered: number;
}

export function openWaveState(input: OtaWaveInput): WaveState {
  const { kind, wave, size, paused } = input;
  const state = paused ? 'paused' : 'dispatching';
  const view: WaveView = { kind, number: wave, size, state, counts: null, reasons: [] };
  return {
    input,
    view,
    next: 'lease the devices',
    nextAt: null,
    paused,
    stopped: false,
    advanced: false,
    steered: 0,
  };
}

export function steer(state: WaveState, what: WaveSteering): void {
  state.steered += 1;
  if (what === 'pause') state.paused = true;
  if (what === 'resume') state.paused = false;
  if (what === 'advance') state.advanced = true;
  if (what === 'stop') state.stopped = true;
}

/** Shows the wave here and, where there still is one, in its rollout. */
export async function show(
  state: WaveState,
  change: Partial<WaveView>,
  next: string,
  nextAt: string | null = null,
): Promise<void> {
  Object.assign(state.view, change);
  Object.assign(state, { next, nextAt });
  const { view, input } = state;
  setCurrentDetails(
    paragraphs([
      `## ${plain(input.release)}: ${input.kind}, wave ${input.wave}`,
      `**Next** ${plain(next)}${nextAt === null ? '' : ` · at ${nextAt}`}`,
      ...wavesTable([view]),
      list('Reasons', view.reasons),
    ]),
  );
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  // A rollout that was terminated hears nothing; its wave is cancelled with it.
  await getExternalWorkflowHandle(parent.workflowId, parent.runId)
    .signal(waveNews, { view, next, nextAt })
    .catch(() => undefined);
}
