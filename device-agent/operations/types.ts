import type { JobDocument, JobOperation } from '../../domain/device-protocol/job-document';

export type DocumentOf<O extends JobOperation> = Extract<JobDocument, { operation: O }>;

/** How an operation ended; details go through fitStatusDetails before they are sent. */
export interface OperationOutcome {
  status: 'SUCCEEDED' | 'FAILED' | 'REJECTED';
  details: Record<string, string>;
}

/** `gone`: cancelled, timed out or deleted, so that nothing is left to do for it. `unreported`: no answer. */
export type ProgressAnswer = 'reported' | 'gone' | 'unreported';

/**
 * `passed`: the service accepted an update of this execution just now, so that it is neither cancelled nor timed out,
 * and the device is not offline. The others say why not; `superseded`: AWS offers the job anew, after a time-out.
 */
export type GateAnswer =
  | 'passed'
  | 'offline'
  | 'unanswered'
  | 'cancelled'
  | 'timedOut'
  | 'superseded'
  | 'deleted'
  | 'over';

/** The agent stops in the middle of an operation that its next life carries on with: there is no outcome yet. */
export class OperationInterruptedError extends Error {
  constructor() {
    super('the agent stops');
    this.name = 'OperationInterruptedError';
  }
}

export interface OperationContext {
  /** Job id and execution number: a retry of a job is another execution. */
  key: string;
  /** An earlier life of the agent, or an earlier connection, started this execution and left no outcome. */
  startedBefore: boolean;
  /** Tells the service how far it is; resolves whatever becomes of it, and never rejects. */
  progress: (details: Record<string, string>) => Promise<ProgressAnswer>;
  /** The commit gate: what can't be undone by a later word of the cloud is done only where it was passed. */
  gate: (details: Record<string, string>) => Promise<GateAnswer>;
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
