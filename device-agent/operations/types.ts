import type { JobDocument, JobOperation } from '../../domain/device-protocol/job-document';

export type DocumentOf<O extends JobOperation> = Extract<JobDocument, { operation: O }>;

/** How an operation ended; details go through fitStatusDetails before they are sent. */
export interface OperationOutcome {
  status: 'SUCCEEDED' | 'FAILED';
  details: Record<string, string>;
}

export interface OperationContext {
  /** An earlier life of the agent, or an earlier connection, started this execution and left no outcome. */
  startedBefore: boolean;
}

/**
 * Which operations wait for each other. `containment`: one at a time, ahead of everything. `beside`: at once,
 * whatever else runs. `background`: one at a time and long, never in the way of the others.
 */
export type Lane = 'containment' | 'beside' | 'background';

export interface Operation<O extends JobOperation> {
  lane: Lane;
  run: (document: DocumentOf<O>, context: OperationContext) => Promise<OperationOutcome>;
}

/** One executor per operation of the protocol: leaving one out does not compile. */
export type Operations = { [O in JobOperation]: Operation<O> };
