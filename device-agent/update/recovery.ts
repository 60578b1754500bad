import type { Logger } from 'pino';
import { messageOf, problemOf } from '../errors';
import type { OperationOutcome } from '../operations/types';
import { floorOf, runningSlot } from './outcome';
import type { Installer } from './types';
import type { UpdateJournal } from './update-journal';

export interface RecoveryDependencies {
  journal: UpdateJournal;
  installer: Installer;
  /** Starts the device anew; resolves once that was asked for. */
  reboot: () => Promise<void>;
  recordOutcome: (key: string, outcome: OperationOutcome) => void;
  now: () => Date;
  log: Logger;
}

/** As the journal's history and an installed slot both tell it. */
interface FailedRelease {
  target: string;
  release: number;
}

/** Puts right, at a start, what no step of an update would: back to the confirmed slot, which is always safe. */
export class Recovery {
  constructor(private readonly deps: RecoveryDependencies) {}

  async run(): Promise<void> {
    const { damage } = this.deps.journal;
    if (damage !== null) await this.undo(damage.key);
    else if (this.deps.journal.current === null) await this.goBack(this.lastFailed());
  }

  /**
   * Outside of an update the confirmed slot runs, though a disk that failed may have kept an earlier way back. A device
   * with an updater of its own may have been switched by that, so there only the release that `failed` is left; and
   * restarted only where that was just done, or a boot loader that does not obey would be asked for ever.
   */
  async goBack(failed: FailedRelease | null): Promise<void> {
    const { installer, log } = this.deps;
    await this.attempt('revert', async () => {
      const [active, confirmed] = [await installer.active(), await installer.confirmed()];
      if (active.name === confirmed.name) return;
      const { target, release } = active.installed ?? {};
      const ours = failed?.target === target && failed?.release === release;
      if (installer.restarts === 'device' && !ours) return;
      log.warn({ event: 'unconfirmed slot left', slot: active.name });
      await installer.revert();
      await this.restart();
    });
  }

  private lastFailed(): FailedRelease | null {
    const last = this.deps.journal.history.at(-1);
    return last === undefined || last.outcome.status === 'SUCCEEDED' ? null : last;
  }

  private async restart(): Promise<void> {
    const { installer, reboot } = this.deps;
    const [running, next] = [await runningSlot(installer), await installer.active()];
    if (running.name !== next.name) await reboot();
  }

  async attempt(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.deps.log.error({ event: 'update not undone', what, reason: messageOf(error) });
    }
  }

  private async undo(key: string | null): Promise<void> {
    const { journal, installer, log, now } = this.deps;
    const reason = 'the state of the update was damaged';
    log.error({ event: 'update state damaged', key });
    await this.attempt('revert', () => installer.revert());
    await this.attempt('discard', () => installer.discard());
    const outcome = { status: 'FAILED' as const, details: { reason } };
    const entry = { target: '', version: '', release: 0, outcome, at: now().toISOString() };
    await this.attempt('finish', async () => {
      const floor = floorOf(await installer.confirmed());
      journal.finish(key === null ? null : { ...entry, key }, floor);
    });
    const problem = key === null ? null : problemOf(() => this.deps.recordOutcome(key, outcome));
    if (problem !== null) log.error({ event: 'journal not written', reason: problem });
    // Once: the journal is whole again.
    await this.attempt('restart', () => this.restart());
  }
}
