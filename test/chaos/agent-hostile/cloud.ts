import { z } from 'zod';
import { jobTopics } from '../../../domain/device-protocol/topics';
import { parseJson } from '../../../device-agent/errors';
import type { Random } from './random';

export const THING = 'pump-1';

export interface OfferedJob {
  jobId: string;
  /** JSON, for a parsed one could not hold a key twice. */
  document: string;
  /** Cancelled after so many requests about it; null if it isn't. */
  cancelAfter: number | null;
}

export type JobStatus = 'QUEUED' | 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'REJECTED' | 'CANCELED';

interface Execution extends OfferedJob {
  status: JobStatus;
  details: Record<string, string>;
  version: number;
  executionNumber: number;
  requests: number;
  /** An update past the commit gate was accepted. */
  gated: boolean;
  queuedAt: number;
  ended: (execution: Execution) => void;
}
export type EndedJob = Pick<Execution, 'jobId' | 'status' | 'details' | 'gated'>;

const request = z.object({
  clientToken: z.string(),
  status: z.enum(['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'REJECTED']).optional(),
  statusDetails: z.record(z.string(), z.string()).optional(),
  expectedVersion: z.number().optional(),
});

const OPEN: ReadonlySet<JobStatus> = new Set(['QUEUED', 'IN_PROGRESS']);
const PLACE = '(the document)';
const MARK = JSON.stringify(PLACE);

/** The Jobs service in hostile hands: it keeps to the protocol just enough to be listened to. */
export class HostileCloud {
  private executions = new Map<string, Execution>();
  /** Ends of one execution that the agent reported once more, as another. */
  changedMinds = 0;
  private clock = 1_700_000_000;

  constructor(
    private readonly random: Random,
    private readonly say: (topic: string, payload: string) => void,
  ) {}

  /** All at once, in place of those before; resolves once each of them has ended. */
  offer(jobs: readonly OfferedJob[]): Promise<EndedJob[]> {
    this.executions = new Map();
    const ends = jobs.map((job) => this.add(job));
    this.clock += 1;
    this.notify();
    return Promise.all(ends);
  }

  /** One more. */
  add(job: OfferedJob): Promise<EndedJob> {
    return new Promise((ended) => {
      this.executions.set(job.jobId, {
        ...job,
        status: 'QUEUED',
        details: {},
        version: 1,
        executionNumber: 1,
        requests: 0,
        gated: false,
        // In no order, and often in the same second.
        queuedAt: this.clock + this.random.below(3),
        ended,
      });
    });
  }

  /** Nobody waits for them any more. */
  withdraw(): string[] {
    const open = [...this.executions.values()].filter(({ status }) => OPEN.has(status));
    for (const execution of open) this.end(execution, 'CANCELED');
    return open.map(({ jobId, document }) => `${jobId} ${document.slice(0, 200)}`);
  }

  notify(): void {
    for (let times = 1 + this.random.below(3); times > 0; times -= 1) {
      this.say(jobTopics.notify(THING), this.random.chance(0.1) ? 'not JSON' : '{"jobs":{}}');
    }
  }

  /** A message of the agent. */
  receive(topic: string, payload: string): void {
    const found = /^\$aws\/things\/pump-1\/jobs\/(?:([^/]+)\/)?(get|update)$/.exec(topic);
    if (found === null) return;
    const asked = request.safeParse(parseJson(payload));
    if (!asked.success) return;
    if (this.random.chance(0.05)) this.sayNonsense(topic, asked.data.clientToken);
    const [, jobId, verb] = found;
    const reply = (verdict: string, body: object, document = ''): void => {
      const text = JSON.stringify({ ...body, clientToken: asked.data.clientToken });
      this.say(
        `${topic}/${verdict}`,
        text.replace(MARK, () => document),
      );
    };
    if (jobId === undefined) {
      reply('accepted', this.pending());
      return;
    }
    const execution = this.executions.get(jobId);
    if (execution === undefined) {
      reply('rejected', { code: 'ResourceNotFound' });
      return;
    }
    this.count(execution);
    if (verb === 'update') this.update(execution, asked.data, reply);
    else reply('accepted', { execution: described(execution) }, execution.document);
  }

  private sayNonsense(topic: string, clientToken: string): void {
    const body = this.random.pick(['', '[]', '{"clientToken":1}', 'null', '{"execution":', '"x"']);
    this.say(`${topic}/accepted`, body);
    this.say(`${topic}/x/rejected`, JSON.stringify({ clientToken, code: 7 }));
  }

  private count(execution: Execution): void {
    execution.requests += 1;
    if (execution.cancelAfter === null || execution.requests <= execution.cancelAfter) return;
    if (OPEN.has(execution.status)) this.end(execution, 'CANCELED');
  }

  private update(
    execution: Execution,
    asked: z.infer<typeof request>,
    reply: (verdict: string, body: object) => void,
  ): void {
    const { status = 'IN_PROGRESS', statusDetails = {}, expectedVersion } = asked;
    if (!OPEN.has(execution.status)) {
      const other = execution.status !== 'CANCELED' && status !== 'IN_PROGRESS';
      if (other && status !== execution.status) this.changedMinds += 1;
      reply('rejected', { code: 'TerminalStateReached', message: '' });
      return;
    }
    if (expectedVersion !== execution.version || this.random.chance(0.02)) {
      execution.version += expectedVersion === execution.version ? 1 : 0;
      reply('rejected', { code: 'VersionMismatch', message: 'so I say' });
      return;
    }
    execution.version += 1;
    execution.details = statusDetails;
    if (statusDetails['step'] === 'installed' && status === 'IN_PROGRESS') execution.gated = true;
    if (status === 'IN_PROGRESS') execution.status = status;
    reply('accepted', { executionState: { status, versionNumber: execution.version } });
    if (status !== 'IN_PROGRESS') this.end(execution, status);
  }

  private end(execution: Execution, status: JobStatus): void {
    execution.status = status;
    execution.ended(execution);
  }

  private pending(): object {
    const open = [...this.executions.values()].filter(({ status }) => OPEN.has(status));
    const listed = open.map(summaryOf).sort(() => this.random.next() - 0.5);
    const twice = this.random.chance(0.1) ? listed.slice(0, 2) : [];
    return { inProgressJobs: [], queuedJobs: [...listed, ...twice].slice(0, 10) };
  }
}

const summaryOf = ({ jobId, queuedAt, executionNumber, version }: Execution): object => ({
  jobId,
  queuedAt,
  lastUpdatedAt: queuedAt,
  executionNumber,
  versionNumber: version,
});

const described = (execution: Execution): object => ({
  ...summaryOf(execution),
  status: execution.status,
  jobDocument: PLACE,
});
