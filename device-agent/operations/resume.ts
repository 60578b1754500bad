import type { Journal } from '../state/journal';
import type { Application } from '../supervisor/application';
import type { Operation } from './types';

export interface ResumeDependencies {
  journal: Journal;
  application: Pick<Application, 'start'>;
  onResumed: () => void;
}

/** Safe to run again: a running application is left alone. Fails, and says why, where it can't be started. */
export function createResume(deps: ResumeDependencies): Operation<'resume'> {
  return {
    lane: 'containment',
    run: async () => {
      const before = deps.journal.containment;
      deps.journal.setContainment(null);
      deps.onResumed();
      const started = await deps.application.start();
      return {
        status: started.ok ? 'SUCCEEDED' : 'FAILED',
        details: {
          contained: 'false',
          containedSince: before?.since ?? 'was not contained',
          application: started.state,
          ...(started.ok ? {} : { reason: started.reason }),
        },
      };
    },
  };
}
