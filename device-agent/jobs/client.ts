import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { jobTopics } from '../../domain/device-protocol/topics';
import type { Connection } from '../connection/connection';
import {
  describeReply,
  pendingReply,
  rejection,
  updateReply,
  withClientToken,
  type JobExecution,
  type JobSummary,
  type JobUpdate,
} from './messages';

/** The Jobs service said no. `code` is AWS's, such as `VersionMismatch` or `TerminalStateReached`. */
export class JobRequestRejectedError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(`${code}: ${message}`);
    this.name = 'JobRequestRejectedError';
  }
}

/** No answer: the connection went, or the time was up. The request may have been carried out all the same. */
export class JobRequestUnansweredError extends Error {
  constructor(readonly disconnected: boolean) {
    super(disconnected ? 'disconnected before an answer' : 'no answer in time');
    this.name = 'JobRequestUnansweredError';
  }
}

interface Reply {
  accepted: boolean;
  body: unknown;
}

interface Waiting {
  topic: string;
  resolve: (reply: Reply) => void;
  reject: (error: Error) => void;
}

/** AWS's limit on an MQTT message. */
const MAX_MESSAGE_BYTES = 128 * 1024;

/** Request and reply over the Jobs topics, matched by client token; an answer nobody waits for is dropped. */
export class JobsClient {
  private readonly waiting = new Map<string, Waiting>();

  constructor(
    private readonly thing: string,
    private readonly connection: Pick<Connection, 'publish'>,
    private readonly answerTimeoutMs: number,
    private readonly log: Logger,
  ) {}

  async pending(): Promise<JobSummary[]> {
    const reply = await this.request(jobTopics.getPending(this.thing), {}, pendingReply);
    return [...reply.inProgressJobs, ...reply.queuedJobs];
  }

  /** Whether the service answers now, which an open connection alone does not tell. */
  async answers(): Promise<boolean> {
    try {
      await this.pending();
      return true;
    } catch (error) {
      return !(error instanceof JobRequestUnansweredError);
    }
  }

  /** Null where the service knows of no such execution any more. */
  async describe(jobId: string): Promise<JobExecution | null> {
    const topic = jobTopics.describe(this.thing, jobId);
    try {
      const reply = await this.request(topic, { includeJobDocument: true }, describeReply);
      return reply.execution ?? null;
    } catch (error) {
      if (error instanceof JobRequestRejectedError && GONE.has(error.code)) return null;
      throw error;
    }
  }

  /** Returns the execution's new version, which the next update must expect. */
  async update(jobId: string, update: JobUpdate): Promise<number> {
    const topic = jobTopics.update(this.thing, jobId);
    const body = { ...update, includeJobExecutionState: true };
    const reply = await this.request(topic, body, updateReply);
    return reply.executionState?.versionNumber ?? update.expectedVersion + 1;
  }

  /** True where the message was one of the Jobs topics' replies, whether or not anyone waited for it. */
  receive(topic: string, payload: Buffer): boolean {
    const verdict = /^(.*)\/(accepted|rejected)$/.exec(topic);
    if (verdict?.[1] === undefined || !topic.startsWith(`$aws/things/${this.thing}/jobs/`)) {
      return false;
    }
    const body =
      payload.length > MAX_MESSAGE_BYTES ? undefined : parseAnswer(payload.toString('utf8'));
    const token = withClientToken.safeParse(body);
    const waiting = token.success ? this.waiting.get(token.data.clientToken) : undefined;
    if (waiting?.topic === verdict[1]) {
      waiting.resolve({ accepted: verdict[2] === 'accepted', body });
    } else {
      this.log.debug({ event: 'stale answer ignored', topic });
    }
    return true;
  }

  /** Called when the connection is gone: nobody will answer. */
  abandonAll(): void {
    for (const { reject } of this.waiting.values()) reject(new JobRequestUnansweredError(true));
  }

  private async request<T>(topic: string, body: object, schema: z.ZodType<T>): Promise<T> {
    const reply = await this.exchange(topic, body);
    if (!reply.accepted) throw rejected(reply.body);
    return schema.parse(reply.body);
  }

  private async exchange(topic: string, body: object): Promise<Reply> {
    const clientToken = randomUUID();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Reply>((resolve, reject) => {
        const timeUp = (): void => reject(new JobRequestUnansweredError(false));
        timer = setTimeout(timeUp, this.answerTimeoutMs);
        this.waiting.set(clientToken, { topic, resolve, reject });
        const text = JSON.stringify({ ...body, clientToken });
        void this.connection.publish(topic, text).then((sent) => {
          if (sent.kind === 'refused') {
            const problem = `the broker refused the request, reason code ${sent.reasonCode}`;
            reject(new JobRequestRejectedError('NotAuthorized', problem));
          } else if (sent.kind === 'held' || sent.kind === 'disconnected') {
            reject(new JobRequestUnansweredError(true));
          }
        });
      });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(clientToken);
    }
  }
}

/** The execution has ended, was cancelled by force or deleted: nothing is left to do or report. */
export const GONE: ReadonlySet<string> = new Set([
  'ResourceNotFound',
  'TerminalStateReached',
  'InvalidStateTransition',
]);

/** Nested as deep as it likes: a job whose document is too deep is to be rejected, not to stay unread. */
function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function rejected(reply: unknown): JobRequestRejectedError {
  const parsed = rejection.safeParse(reply);
  return parsed.success
    ? new JobRequestRejectedError(parsed.data.code, parsed.data.message)
    : new JobRequestRejectedError('Unreadable', 'the rejection is not in the documented form');
}
