import type { JobDocument } from '../../domain/device-protocol/job-document';
import { messageOf } from '../errors';
import { createContain, type ContainDependencies } from './contain';
import { createDiagnostics, type DiagnosticsDependencies } from './diagnostics';
import { createInstall, type InstallDependencies } from './install';
import { createProbe, type ProbeDependencies } from './probe';
import { createResume, type ResumeDependencies } from './resume';
import {
  OperationInterruptedError,
  type OperationContext,
  type OperationOutcome,
  type Operations,
} from './types';

export type OperationDependencies = ContainDependencies &
  ResumeDependencies &
  ProbeDependencies &
  InstallDependencies &
  DiagnosticsDependencies;

export function createOperations(deps: OperationDependencies): Operations {
  return {
    contain: createContain(deps),
    resume: createResume(deps),
    probe: createProbe(deps),
    install: createInstall(deps),
    diagnostics: createDiagnostics(deps),
  };
}

/**
 * An exception is an outcome too: a job must not stay IN_PROGRESS because its operation threw. Null where the agent
 * stops in the middle of it, and goes on when it starts again.
 */
export async function runOperation(
  operations: Operations,
  document: JobDocument,
  context: OperationContext,
): Promise<OperationOutcome | null> {
  try {
    return await dispatch(operations, document, context);
  } catch (error) {
    if (error instanceof OperationInterruptedError) return null;
    return { status: 'FAILED', details: { reason: messageOf(error) } };
  }
}

function dispatch(
  operations: Operations,
  document: JobDocument,
  context: OperationContext,
): Promise<OperationOutcome> {
  switch (document.operation) {
    case 'contain':
      return operations.contain.run(document, context);
    case 'resume':
      return operations.resume.run(document, context);
    case 'probe':
      return operations.probe.run(document, context);
    case 'install':
      return operations.install.run(document, context);
    case 'diagnostics':
      return operations.diagnostics.run(document, context);
  }
}
