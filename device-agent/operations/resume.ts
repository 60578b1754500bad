import { problemOf } from '../errors';
import type { Journal } from '../state/journal';
import type { Application } from '../supervisor/application';
import type { Operation } from './types';

export interface ResumeDependencies {
  journal: Journal;
  application: Pick<Application, 'start'>;
  onResumed: () => void;
}

/**
 * Safe to run again: a running application is left alone. Fails, and says why, where it can't be started; and where the
 * disk refuses the record, which would have the device contained again after a restart.
 */
export function createResume(deps: ResumeDependencies): Operation<'resume'> {
  return {
    lane: 'containment',
    run: async () => {
      const before = deps.journal.containment;
      const problem = problemOf(() => deps.journal.setContainment(null));
      deps.onResumed();
      const started = await deps.application.start();
      const reasons = [
        ...(problem === null ? [] : [`resumed only until a restart: ${problem}`]),
        ...(started.ok ? [] : [started.reason]),
      ];
      return {
        status: reasons.length === 0 ? 'SUCCEEDED' : 'FAILED',
        details: {
          contained: 'false',
          containedSince: before?.since ?? 'was not contained',
          application: started.state,
          ...(reasons.length > 0 && { reason: reasons.join('; ') }),
        },
      };
    },
  };
}
