import type { Application, StartResult } from '../supervisor/application';
import { watchHealth, type CheckPlace, type HealthSettings } from './health';
import { holds, runningSlot } from './outcome';
import type { Turn } from './turns';
import type { Installer } from './types';
import type { CurrentUpdate } from './update-journal';

export interface TrialDependencies {
  installer: Installer;
  application: Pick<Application, 'start' | 'stop' | 'try' | 'keep'>;
  /** What the application says is wrong with itself since its last start, or null. */
  complaint: () => string | null;
  contained: () => boolean;
  /** Whether the cloud answers now. Never rejects. */
  reachesCloud: () => Promise<boolean>;
  /** Where and as what a health check by command runs. */
  place: () => Promise<CheckPlace>;
  settings: HealthSettings & { maxStarts: number };
}

/** The unconfirmed release at work: its start, and the time that it has to prove itself. */
export class Trial {
  private ended: Promise<string> = Promise.resolve('not started');
  private interruption = new AbortController();
  private wake: () => void = () => undefined;

  constructor(private readonly deps: TrialDependencies) {}

  /** Containment stopped the application, or kept it from being started. */
  isInterrupted(): boolean {
    return this.interruption.signal.aborted;
  }

  /** The start was counted on disk before, unless the device was contained by then. */
  async start({ target, starts }: CurrentUpdate): Promise<Turn> {
    const { application, installer, contained, settings } = this.deps;
    this.interruption = new AbortController();
    if (contained()) return this.interrupted('heldBack');
    if (starts > settings.maxStarts) {
      throw new Error(
        `started ${settings.maxStarts} times, and each time the device or the agent ended before it was proven`,
      );
    }
    const slot = await runningSlot(installer);
    if (!holds(slot, target)) {
      // The agent ended before the device restarted. Asked for again, as often as the release may be started.
      if (holds(await installer.active(), target)) return { event: 'notRebooted' };
      throw new Error(`slot ${slot.name} runs, not the new release`);
    }
    await application.stop();
    if (contained()) return this.interrupted('contained');
    const result = await this.launch();
    if (this.isInterrupted()) return { event: 'contained' };
    if (!result.ok) throw new Error(`the application can’t be started: ${result.reason}`);
    return { event: 'done' };
  }

  private interrupted(event: 'heldBack' | 'contained'): Turn {
    this.interruption.abort();
    return { event };
  }

  private launch(): Promise<StartResult> {
    let tell: (how: string) => void = () => undefined;
    this.ended = new Promise((resolve) => (tell = resolve));
    return this.deps.application.try((how) => tell(`the application ended: ${how}`));
  }

  /** A contained device waits, and begins anew once it is resumed. */
  async confirm(stopping: AbortSignal): Promise<Turn> {
    if (this.isInterrupted()) {
      if (this.deps.contained()) await new Promise<void>((resolve) => (this.wake = resolve));
      return { event: 'resumed' };
    }
    const problem = await this.watch(stopping);
    if (this.isInterrupted()) return { event: 'contained' };
    if (problem !== null) throw new Error(problem);
    return { event: 'healthy' };
  }

  /** What is wrong, or null; whatever it is where the watching was interrupted. */
  private async watch(stopping: AbortSignal): Promise<string | null> {
    const { settings, place, complaint, reachesCloud } = this.deps;
    const { signal } = this.interruption;
    const stop = new AbortController();
    const end = (): void => stop.abort();
    const signals = [stopping, signal];
    for (const source of signals) source.addEventListener('abort', end, { once: true });
    try {
      const release = { place: await place(), ended: this.ended, complaint, reachesCloud };
      return await watchHealth(settings, release, stop.signal);
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    } finally {
      for (const source of signals) source.removeEventListener('abort', end);
    }
  }

  /** The application is being stopped, which says nothing about the release. */
  onContained(): void {
    this.interruption.abort();
  }

  onResumed(): void {
    this.wake();
  }
}
