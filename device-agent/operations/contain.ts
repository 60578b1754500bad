import { problemOf } from '../errors';
import type { Journal } from '../state/journal';
import type { Application } from '../supervisor/application';
import type { Operation } from './types';

export interface ContainDependencies {
  journal: Journal;
  application: Pick<Application, 'stop'>;
  /** Telemetry, shadow reports and commands end with it. */
  onContained: () => void;
  now: () => Date;
}

/**
 * Safe to run again: a contained device stays contained since the first time. The record goes to disk before
 * the application is stopped, so a crash between the two leaves the device contained and not merely stopped;
 * where the disk refuses it the application is stopped all the same, and the job says so by failing.
 */
export function createContain(deps: ContainDependencies): Operation<'contain'> {
  return {
    lane: 'containment',
    run: async ({ reason, requestedBy }) => {
      const before = deps.journal.containment;
      const since = before?.since ?? deps.now().toISOString();
      const problem = problemOf(() =>
        deps.journal.setContainment(before ?? { since, reason, requestedBy }),
      );
      deps.onContained();
      const stopped = await deps.application.stop();
      const details = {
        contained: 'true',
        since,
        telemetry: 'stopped',
        application: stopped.was === 'running' ? `stopped by ${stopped.signal}` : stopped.was,
        ...(stopped.was === 'running' && { pid: String(stopped.pid) }),
        ...(problem !== null && { reason: `contained only until a restart: ${problem}` }),
      };
      return { status: problem === null ? 'SUCCEEDED' : 'FAILED', details };
    },
  };
}
