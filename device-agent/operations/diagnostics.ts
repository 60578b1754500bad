import type { Diagnostics } from '../diagnostics/diagnostics';
import type { Operation } from './types';

export interface DiagnosticsDependencies {
  status: () => Record<string, string>;
  diagnostics: Pick<Diagnostics, 'collect' | 'raiseLogLevel'>;
}

/**
 * Beside everything else, so that evidence of a device can be had while it is contained or updated; bundles wait for
 * each other by themselves. Safe to run again: nothing that the device does changes by it.
 */
export function createDiagnostics(deps: DiagnosticsDependencies): Operation<'diagnostics'> {
  return {
    lane: 'beside',
    run: async (document, context) => {
      switch (document.verb) {
        case 'status':
          return { status: 'SUCCEEDED', details: deps.status() };
        case 'collect':
          return await deps.diagnostics.collect(document, context);
        case 'logLevel':
          return deps.diagnostics.raiseLogLevel(document.level, document.forSeconds);
      }
    },
  };
}
