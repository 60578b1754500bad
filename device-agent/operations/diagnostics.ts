import type { Operation } from './types';

export interface DiagnosticsDependencies {
  status: () => Record<string, string>;
}

export function createDiagnostics(deps: DiagnosticsDependencies): Operation<'diagnostics'> {
  return {
    lane: 'beside',
    // `status` is the one verb that the protocol has so far.
    run: () => Promise.resolve({ status: 'SUCCEEDED', details: deps.status() }),
  };
}
