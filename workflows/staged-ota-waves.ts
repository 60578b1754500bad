import { ParentClosePolicy, startChild, type ChildWorkflowHandle } from '@temporalio/workflow';
import { otaWaveId } from '../domain/ids';
import type { RolloutRef, WaveView } from '../domain/rollout/types';
import type { otaWave } from './ota-wave';
import { steerWave, type WaveOutcome, type WaveSteering } from './ota-wave-state';
import { planOf, viewOf, type Rollout, type Stop } from './staged-ota-state';
import { refresh, show } from './staged-ota-view';
import { isoTime } from './time';

/** The wave that is carried now. */
export class CurrentWave {
  private starting: Promise<ChildWorkflowHandle<typeof otaWave>> | null = null;

  async carry(start: () => Promise<ChildWorkflowHandle<typeof otaWave>>): Promise<WaveOutcome> {
    this.starting = start();
    try {
      return await (await this.starting).result();
    } finally {
      this.starting = null;
    }
  }

  /** One that has just ended needs no telling; one that is about to start is told once it has. */
  async tell(what: WaveSteering): Promise<void> {
    await this.starting?.then((wave) => wave.signal(steerWave, what)).catch(() => undefined);
  }
}

interface NextWave {
  ref: RolloutRef;
  kind: WaveView['kind'];
  number: number;
  size: number;
}

/** Wave by wave; null once all have passed, else why not. */
export async function throughWaves(run: Rollout): Promise<Stop | null> {
  const { state } = run;
  const { ref, waves } = planOf(state);
  for (const { number, size } of waves) {
    if (state.stop !== null) return state.stop;
    show(state, state.paused ? 'paused' : 'waiting', `wave ${number} of ${waves.length}`);
    const outcome = await runWave(run, { ref, kind: 'rollout', number, size });
    if (outcome.end === 'abort') return stopOf(outcome, number);
  }
  return state.stop;
}

export async function runWave(run: Rollout, next: NextWave): Promise<WaveOutcome> {
  const { state, settings, current } = run;
  const { ref, kind, number, size } = next;
  const view = viewOf(state, kind, number);
  state.wave = { kind, number };
  const outcome = await current.carry(() =>
    startChild<typeof otaWave>('otaWave', {
      workflowId: otaWaveId(ref.rolloutId, kind, number),
      args: [
        {
          ...{ ref, kind, size, wave: number, release: settings.release },
          soakMs: kind === 'rollout' ? settings.soakMs : 0,
          stepTimeoutMs: settings.stepTimeoutMs,
          paused: state.paused,
        },
      ],
      // A rollout that is terminated must not leave a wave behind that nobody stops.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `${settings.release}: ${kind}, wave ${number}, ${size} devices`,
    }),
  );
  state.wave = null;
  const ended = outcome.end === 'passed' ? 'passed' : 'stopped';
  const { counts, reasons } = outcome;
  if (view !== undefined) Object.assign(view, { state: ended, counts, reasons });
  refresh(state);
  return outcome;
}

const stopOf = ({ reasons, crossedAt }: WaveOutcome, wave: number): Stop => ({
  why: `wave ${wave}: ${reasons.join('; ')}`,
  at: crossedAt ?? isoTime(Date.now()),
  rollback: false,
});
