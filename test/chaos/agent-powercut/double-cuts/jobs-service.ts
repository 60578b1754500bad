import { jobTopics } from '../../../../domain/device-protocol/topics';
import type { PublishOutcome } from '../../../../device-agent/connection/types';

/** One execution, as the service keeps it; it outlives the agent's lives. */
export interface Execution {
  jobId: string;
  document: object;
  status: string;
  version: number;
  /** Ends that the device told, taken or not. */
  told: string[];
}

export const TERMINAL = new Set(['SUCCEEDED', 'FAILED', 'REJECTED', 'CANCELED']);

export function cancel(execution: Execution): void {
  if (TERMINAL.has(execution.status)) return;
  execution.status = 'CANCELED';
  execution.version += 1;
}

/** Answers what an agent asks on the Jobs topics of its thing, from memory. */
export class JobsService {
  constructor(
    private readonly thing: string,
    private readonly execution: Execution,
    private readonly reply: (topic: string, payload: Buffer) => void,
    /** Whose power is gone, is not connected. */
    private readonly dead: () => boolean,
  ) {}

  publish = (topic: string, payload: string): Promise<PublishOutcome> => {
    if (this.dead()) return Promise.resolve({ kind: 'disconnected', byBroker: false });
    const request = JSON.parse(payload) as Record<string, unknown>;
    const answer = this.answer(topic, request);
    const verdict = 'code' in answer ? 'rejected' : 'accepted';
    const body = JSON.stringify({ ...answer, clientToken: request['clientToken'] });
    setImmediate(() => this.reply(`${topic}/${verdict}`, Buffer.from(body)));
    return Promise.resolve({ kind: 'accepted' });
  };

  private answer(topic: string, request: Record<string, unknown>): object {
    const { jobId, document, status, version } = this.execution;
    const summary = { jobId, queuedAt: 1, executionNumber: 1, versionNumber: version };
    if (topic === jobTopics.getPending(this.thing)) {
      const inProgressJobs = status === 'IN_PROGRESS' ? [summary] : [];
      return { inProgressJobs, queuedJobs: status === 'QUEUED' ? [summary] : [] };
    }
    if (topic === jobTopics.describe(this.thing, jobId)) {
      return { execution: { ...summary, status, jobDocument: document } };
    }
    return this.update(request);
  }

  private update(request: Record<string, unknown>): object {
    const { execution } = this;
    const status = String(request['status']);
    if (TERMINAL.has(status)) execution.told.push(status);
    if (TERMINAL.has(execution.status)) return { code: 'TerminalStateReached' };
    if (request['expectedVersion'] !== execution.version) return { code: 'VersionMismatch' };
    execution.status = status;
    execution.version += 1;
    return { executionState: { status, versionNumber: execution.version } };
  }
}
