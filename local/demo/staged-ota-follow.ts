import type { WorkflowHandle } from '@temporalio/client';
import type { StagedOtaResult, StagedOtaStatus, WaveView } from '../../domain/rollout/types';
import { UPDATES } from '../../domain/temporal';
import { pause } from './patience';
import type { People } from './people';
import type { Timeline } from './timeline';

const LOOK_MS = 250;

export interface Follower {
  run: WorkflowHandle;
  timeline: Pick<Timeline, 'tell'>;
  people: People;
  signal: AbortSignal;
  /** Once, as soon as the plan is frozen. */
  onPlanned: () => Promise<void>;
  /** Right before the last approval is given. */
  onApproving?: () => void;
}

/** Tells what happens to a rollout, approves it where it asks, and returns its result. */
export async function follow(follower: Follower): Promise<StagedOtaResult> {
  const { run, signal } = follower;
  const state = { over: false };
  const result = run.result().finally(() => (state.over = true)) as Promise<StagedOtaResult>;
  result.catch(() => undefined);
  const story = new Story(follower);
  while (!state.over) {
    const status = await run.query<StagedOtaStatus>('status').catch(() => null);
    if (status !== null) await story.heed(status);
    await pause(LOOK_MS, signal);
  }
  const ended = await result;
  await story.heed(ended);
  return ended;
}

class Story {
  private phase = '';
  private planned = false;
  private approved = false;
  private readonly told = new Map<string, string>();

  constructor(private readonly follower: Follower) {}

  async heed(status: StagedOtaStatus): Promise<void> {
    const { timeline, onPlanned } = this.follower;
    if (status.phase !== this.phase) timeline.tell(`${status.phase}: ${status.next}`);
    this.phase = status.phase;
    if (!this.planned && !['resolving', 'planning'].includes(status.phase)) {
      this.planned = true;
      await onPlanned();
    }
    for (const wave of status.waves) this.tellWave(wave, status);
    if (status.phase === 'awaitingApproval' && !this.approved) await this.approve();
  }

  private tellWave(wave: WaveView, { waves }: StagedOtaStatus): void {
    const { kind, number, state, counts, reasons, size } = wave;
    const trouble = (counts?.failed ?? 0) + (counts?.silent ?? 0);
    const key = `${kind} ${number}`;
    const now = `${state} ${trouble} ${reasons.join()}`;
    if (state === 'waiting' || this.told.get(key) === now) return;
    this.told.set(key, now);
    const all = waves.filter((each) => each.kind === kind).length;
    const name = `${kind === 'rollback' ? 'way back, ' : ''}wave ${number} of ${all}`;
    const why = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
    this.follower.timeline.tell(`  ${name}, ${size} devices: ${state}${countsOf(wave)}${why}`);
  }

  private async approve(): Promise<void> {
    this.approved = true;
    const { run, people, timeline } = this.follower;
    for (const name of people.names) {
      const token = await people.approve(name, run.workflowId);
      if (name === people.names.at(-1)) this.follower.onApproving?.();
      await run.executeUpdate<string, [{ token: string }]>(UPDATES.approve, { args: [{ token }] });
      timeline.tell(`npm run guard -- approve ${run.workflowId} --as ${name}: accepted`);
    }
  }
}

function countsOf({ counts }: WaveView): string {
  if (counts === null) return '';
  const parts = Object.entries(counts).filter(([name, count]) => name !== 'size' && count > 0);
  return `: ${parts.map(([name, count]) => `${count} ${name}`).join(', ')}`;
}
