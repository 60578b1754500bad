import type { Operation, OperationContext, OperationOutcome } from './types';

/** Carries one update from the job to its end; `device-agent/update/` has the only implementation. */
export interface Updater {
  /**
   * Resolves with the one outcome of this execution, whatever happens in between; called again for the same key
   * after a restart it goes on where the journal says it was.
   */
  install(target: string, context: OperationContext): Promise<OperationOutcome>;
}

export interface InstallDependencies {
  /** Null where the device is not configured for updates. */
  updater: Updater | null;
}

export function createInstall(deps: InstallDependencies): Operation<'install'> {
  return {
    lane: 'background',
    run: async ({ target }, context) =>
      deps.updater === null
        ? { status: 'REJECTED', details: { reason: 'this device is not configured for updates' } }
        : await deps.updater.install(target, context),
  };
}
