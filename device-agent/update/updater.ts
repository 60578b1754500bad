import type { Logger } from 'pino';
import { admit } from '../../domain/device-protocol/admission';
import { messageOf } from '../errors';
import type { Updater } from '../operations/install';
import {
  OperationInterruptedError,
  type OperationContext,
  type OperationOutcome,
} from '../operations/types';
import { isBeforeGate, isOnTrial } from './machine';
import { floorOf, holds } from './outcome';
import { Progress } from './progress';
import { Recovery } from './recovery';
import { Run, type RunDependencies } from './run';
import { withdrawn } from './turns';
import { UpdateRefusedError, type Slot, type Trust, type VerifiedTarget } from './types';
import { higher, type CurrentUpdate } from './update-journal';

export interface UpdaterDependencies extends RunDependencies {
  trust: Trust;
  /** As the device's own configuration says. */
  hardware: string;
  /** Reported for a slot that no update has installed. */
  factoryVersion: string;
  log: Logger;
}

/**
 * Takes a device from one release to the next, one update at a time. INVARIANT: whoever moves an update along holds
 * `tail`, so that a job, a restart and a cancellation never do so at once.
 */
export class DeviceUpdater implements Updater {
  private tail: Promise<unknown> = Promise.resolve();
  private readonly run: Run;
  private readonly recovery: Recovery;
  private readonly stopping = new AbortController();
  /** The offer under which the present update goes on. */
  private progress: { key: string; progress: Progress } | null = null;

  constructor(private readonly deps: UpdaterDependencies) {
    this.run = new Run(deps, this.stopping.signal);
    this.recovery = new Recovery(deps);
  }

  /** The slot that runs, as far as was looked; null before `resume`. */
  get active(): Slot | null {
    return this.run.active;
  }

  /** The application runs in a slot that nobody has confirmed yet. */
  get onTrial(): boolean {
    const { current } = this.deps.journal;
    return current !== null && isOnTrial(current.state);
  }

  /**
   * Before the application is started: goes on where the journal says. True where the application is to be started
   * as usual; otherwise the update in hand does it.
   */
  async resume(): Promise<boolean> {
    const { journal } = this.deps;
    await this.recovery.run();
    await this.run.look();
    const { current } = journal;
    if (current === null || isBeforeGate(current.state)) return true;
    this.exclusively(() => this.run.carryOn(current)).catch((error: unknown) => this.logEnd(error));
    return false;
  }

  install(name: string, context: OperationContext): Promise<OperationOutcome> {
    return this.exclusively(() => this.installAlone(name, context));
  }

  /** What the Jobs service holds pending: an update whose job is not among it has no way past the gate. */
  onPending(keys: ReadonlySet<string>): void {
    const { current } = this.deps.journal;
    if (current === null || !isBeforeGate(current.state) || keys.has(current.key)) return;
    const { key } = current;
    if (this.progress?.key === key) {
      void this.progress.progress.tell({ step: current.state });
      return;
    }
    const withdraw = async (): Promise<void> => {
      const left = journalUpdate(this.deps.journal.current, key);
      if (left === null || !isBeforeGate(left.state) || this.stopping.signal.aborted) return;
      await this.run.proceed(left, withdrawn(left), null);
    };
    this.exclusively(withdraw).catch((error: unknown) => this.logEnd(error));
  }

  onContained(): void {
    this.run.trial.onContained();
  }

  /** Resolves once it is clear whether the release on trial started; false where none is on trial. */
  async onResumed(): Promise<boolean> {
    if (!this.onTrial) return false;
    // A device that is about to restart starts it then; a later containment must not wait for that.
    const restarts = this.deps.journal.current?.state === 'rebooting';
    if (restarts || !this.run.trial.isInterrupted()) return true;
    const clear = this.run.afterNextStart();
    this.run.trial.onResumed();
    await clear;
    return true;
  }

  /** Leaves the update where it is, for the next life of the agent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.tail.catch(() => undefined);
  }

  private exclusively<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.tail.catch(() => undefined).then(act);
    this.tail = turn;
    return turn;
  }

  private logEnd(error: unknown): void {
    if (error instanceof OperationInterruptedError) return;
    this.deps.log.error({ event: 'update abandoned', reason: messageOf(error) });
  }

  private async installAlone(name: string, context: OperationContext): Promise<OperationOutcome> {
    if (this.stopping.signal.aborted) throw new OperationInterruptedError();
    const { journal } = this.deps;
    const past = journal.find(context.key);
    if (past !== null) return past.outcome;
    const other = journal.current;
    if (other !== null && other.key !== context.key) {
      await this.run.proceed(other, withdrawn(other, 'withdrawn'), null);
    }
    const withdrawal = new AbortController();
    const progress = new Progress(context, () => withdrawal.abort());
    this.progress = { key: context.key, progress };
    try {
      const offer = { context, progress, withdrawal };
      const left = journalUpdate(journal.current, context.key);
      const admitted = await this.judge(name);
      if (left !== null && mayGoOn(left, admitted))
        return required(await this.run.proceed(left, { event: 'restarted' }, offer));
      if ('status' in admitted) {
        if (left === null) return admitted;
        return required(await this.run.proceed(left, this.run.refused(left, admitted), null));
      }
      if (left?.state === 'installed')
        await this.run.proceed(left, withdrawn(left, 'withdrawn'), null);
      return required(await this.run.begin(context.key, admitted, await this.from(), offer));
    } finally {
      this.progress = null;
    }
  }

  /** What the update repository and the device's own rules say, before anything is fetched. */
  private async judge(name: string): Promise<VerifiedTarget | OperationOutcome> {
    const { trust, installer, journal, hardware } = this.deps;
    try {
      const target = await this.run.unlessStopped(trust.target(name));
      const confirmed = await installer.confirmed();
      if (holds(confirmed, target)) return alreadyInstalled(target);
      const floor = higher(journal.floor, floorOf(confirmed));
      const running = confirmed.installed;
      const admission = admit(target.release, { hardware, running, floor });
      if (admission.admitted) return target;
      return { status: 'REJECTED', details: { target: name, reason: admission.reason } };
    } catch (error) {
      if (error instanceof OperationInterruptedError) throw error;
      const status = error instanceof UpdateRefusedError ? 'REJECTED' : 'FAILED';
      return { status, details: { target: name, reason: messageOf(error) } };
    }
  }

  private async from(): Promise<CurrentUpdate['from']> {
    const { name, installed } = await this.deps.installer.confirmed();
    return { slot: name, version: installed?.version ?? this.deps.factoryVersion };
  }
}

const journalUpdate = (update: CurrentUpdate | null, key: string): CurrentUpdate | null =>
  update?.key === key ? update : null;

/**
 * What is whole needs no repository any more to pass the gate, only one that does not say no: months may lie between
 * its download and this.
 */
function mayGoOn(left: CurrentUpdate, now: VerifiedTarget | OperationOutcome): boolean {
  if (!isBeforeGate(left.state)) return true;
  if (left.state !== 'installed') return false;
  if ('status' in now) return now.status === 'FAILED';
  return now.sha256 === left.target.sha256 && now.release.release === left.target.release.release;
}

function alreadyInstalled({ release }: VerifiedTarget): OperationOutcome {
  const { version } = release;
  const details = { version, release: String(release.release), reason: 'already installed' };
  return { status: 'SUCCEEDED', details };
}

function required(outcome: OperationOutcome | null): OperationOutcome {
  if (outcome === null) throw new Error('the update ended without an outcome');
  return outcome;
}
