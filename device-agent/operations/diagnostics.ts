import type { Operation } from './types';

export interface DiagnosticsDependencies {
  status: () => Record<string, string>;
}

export function createDiagnostics(deps: DiagnosticsDependencies): Operation<'diagnostics'> {
  return {
    lane: 'beside',
    // The other verbs are refused until they exist.
    run: () => Promise.resolve({ status: 'SUCCEEDED', details: deps.status() }),
  };
}
