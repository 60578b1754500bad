import { mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GateAnswer, OperationContext } from '../operations/types';
import type { FetchOptions } from './download';
import type { UpdateState } from './machine';
import { holds, runningSlot } from './outcome';
import type { Progress } from './progress';
import type { Turn } from './turns';
import { Trial, type TrialDependencies } from './trial';
import type { VerifiedTarget } from './types';
import type { CurrentUpdate } from './update-journal';

/** An update's job, as far as this life of the agent was offered it. */
export interface Offer {
  context: OperationContext;
  progress: Progress;
  /** Aborted once the job is known to be gone. */
  withdrawal: AbortController;
}

export interface StepDependencies extends TrialDependencies {
  /** Keeps the download. */
  dir: string;
  fetchArtifact: (options: FetchOptions) => Promise<void>;
  fetching: Pick<FetchOptions, 'bytesPerSecond' | 'stalledMs' | 'spaceFolder'>;
  /** Starts the device anew; resolves once that was asked for. */
  reboot: () => Promise<void>;
  revertPauseMs?: number;
  /** How long the device may take to restart after it was asked to. */
  rebootWithinMs?: number;
}

const REBOOT_WITHIN_MS = 600_000;
const REVERT_ATTEMPTS = 3;
const REVERT_PAUSE_MS = 1_000;

const SHUT: Record<Exclude<GateAnswer, 'passed'>, string> = {
  offline: 'the device was offline',
  unanswered: 'the Jobs service gave no answer',
  cancelled: 'the job was cancelled',
  timedOut: 'the job timed out',
  superseded: 'the job timed out and was sent anew',
  deleted: 'the job was deleted',
  over: 'the job is over',
};

/** What each state does. A step is safe to repeat, for its state is on disk before it begins. */
export class Steps {
  readonly trial: Trial;

  constructor(private readonly deps: StepDependencies) {
    this.trial = new Trial(deps);
  }

  async run(
    state: Exclude<UpdateState, 'idle'>,
    update: CurrentUpdate,
    offer: Offer | null,
    stopping: AbortSignal,
  ): Promise<Turn> {
    switch (state) {
      case 'fetching':
        return this.fetch(update.target, required(offer), stopping);
      case 'installing':
        return this.install(update.target, required(offer));
      case 'installed':
        return this.askAtGate(update, required(offer));
      case 'activating':
        return this.activate();
      case 'rebooting':
        return this.reboot(stopping);
      case 'starting':
        return this.trial.start(update);
      case 'confirming':
        return this.trial.confirm(stopping);
      case 'committing':
        return this.commit(update.target);
      case 'reverting':
        return this.revert(update.target, stopping);
      case 'discarding':
        return this.discard(update);
    }
  }

  private artifact({ sha256 }: VerifiedTarget): string {
    return join(this.deps.dir, 'download', `${sha256}.part`);
  }

  private async fetch(target: VerifiedTarget, offer: Offer, stopping: AbortSignal): Promise<Turn> {
    const { installer, fetchArtifact, fetching } = this.deps;
    const abort = new AbortController();
    const end = (): void => abort.abort();
    const signals = [stopping, offer.withdrawal.signal];
    for (const signal of signals) signal.addEventListener('abort', end, { once: true });
    if (signals.some(({ aborted }) => aborted)) end();
    try {
      this.clearDownloads(this.artifact(target));
      await fetchArtifact({
        ...fetching,
        target,
        path: this.artifact(target),
        spaceNeeded: await installer.spaceNeeded(target),
        signal: abort.signal,
        onProgress: (received) => offer.progress.received(received, target.length),
      });
      return { event: 'done' };
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', end);
    }
  }

  private async install(target: VerifiedTarget, offer: Offer): Promise<Turn> {
    const { progress, withdrawal } = offer;
    await progress.settled();
    await progress.tell({ step: 'installing', percent: '100' });
    withdrawal.signal.throwIfAborted();
    await this.deps.installer.install(this.artifact(target), target);
    return { event: 'done' };
  }

  private async askAtGate({ target }: CurrentUpdate, offer: Offer): Promise<Turn> {
    await offer.progress.settled();
    const { version, release } = target.release;
    const answer = await offer.context.gate({
      step: 'installed',
      version,
      release: String(release),
    });
    if (answer === 'passed') return { event: 'passed' };
    const reason = `not switched at the commit gate: ${SHUT[answer]}`;
    return { event: 'refused', failure: { step: 'installed', reason, status: 'FAILED' } };
  }

  private async activate(): Promise<Turn> {
    const { installer } = this.deps;
    await installer.activate();
    return { event: installer.restarts === 'device' ? 'doneUntilReboot' : 'done' };
  }

  private async reboot(stopping: AbortSignal): Promise<Turn> {
    const { reboot, rebootWithinMs = REBOOT_WITHIN_MS } = this.deps;
    await reboot();
    await sleep(rebootWithinMs, undefined, { signal: stopping });
    throw new Error(`the device did not restart within ${rebootWithinMs / 1_000} s`);
  }

  /**
   * Confirmed is what the installer says it is: an error on the way may have come after the deed, and an earlier life
   * may have gone back without a disk that took it down.
   */
  private async commit(target: VerifiedTarget): Promise<Turn> {
    const { installer, application } = this.deps;
    let problem: unknown = new Error('another slot is confirmed, not the new release');
    try {
      await installer.confirm();
    } catch (error) {
      problem = error;
    }
    if (!holds(await installer.confirmed(), target)) throw problem;
    application.keep();
    return { event: 'done' };
  }

  private async revert(target: VerifiedTarget, stopping: AbortSignal): Promise<Turn> {
    const { installer, application, contained } = this.deps;
    // One that can't be stopped must not keep the device from going back.
    await application.stop().catch(() => undefined);
    await this.tryToRevert();
    if (installer.restarts === 'device' && holds(await runningSlot(installer), target)) {
      return this.reboot(stopping);
    }
    if (!contained()) await application.start();
    return { event: 'done' };
  }

  private async tryToRevert(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.deps.installer.revert();
        return;
      } catch (error) {
        if (attempt === REVERT_ATTEMPTS) throw error;
        await sleep(this.deps.revertPauseMs ?? REVERT_PAUSE_MS);
      }
    }
  }

  /** A download that was cut short stays: AWS retries a job that timed out, and would find nothing to go on from. */
  private async discard({ target, failure }: CurrentUpdate): Promise<Turn> {
    const cutShort = failure?.step === 'fetching' && failure.status === 'FAILED';
    this.clearDownloads(cutShort ? this.artifact(target) : null);
    await this.deps.installer.discard();
    return { event: 'done' };
  }

  /** What earlier updates left: at most one download stays, so that no number of them fills the disk. */
  private clearDownloads(but: string | null): void {
    const folder = join(this.deps.dir, 'download');
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (path !== but) unlinkSync(path);
    }
  }
}

/** Before the gate an update goes on only under its job. */
function required(offer: Offer | null): Offer {
  if (offer === null) throw new Error('the update goes on without its job');
  return offer;
}
