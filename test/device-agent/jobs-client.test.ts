import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Backoff } from '../../device-agent/connection/backoff';
import type { PublishOutcome } from '../../device-agent/connection/types';
import {
  JobRequestRejectedError,
  JobRequestUnansweredError,
  JobsClient,
} from '../../device-agent/jobs/client';
import { passGate, reportStatus } from '../../device-agent/jobs/report';

interface Request {
  topic: string;
  body: { clientToken: string; expectedVersion?: number };
}
type Answer = { verdict: 'accepted' | 'rejected'; body: object } | 'silence';

const log = pino({ level: 'silent' });

/** The Jobs service, answering each request as the test says; `sent` is what the broker says to the publish. */
function serviceThat(
  answer: (request: Request, count: number) => Answer,
  sent: PublishOutcome = { kind: 'accepted' },
) {
  const requests: Request[] = [];
  const publish = (topic: string, payload: string): Promise<PublishOutcome> => {
    const request = { topic, body: JSON.parse(payload) as Request['body'] };
    requests.push(request);
    const reply = answer(request, requests.length);
    if (reply !== 'silence') {
      const { clientToken } = request.body;
      const text = JSON.stringify({ clientToken, ...reply.body });
      jobs.receive(`${topic}/${reply.verdict}`, Buffer.from(text));
    }
    return Promise.resolve(sent);
  };
  const jobs = new JobsClient('pump', { publish }, 50, log);
  return { jobs, requests };
}

const accepted = (body: object): Answer => ({ verdict: 'accepted', body });
const rejected = (code: string): Answer => ({ verdict: 'rejected', body: { code, message: '' } });
const nothingPending = accepted({ inProgressJobs: [], queuedJobs: [] });

describe('a request to the Jobs service', () => {
  it('is answered by the reply with its token', async () => {
    const { jobs } = serviceThat(() => nothingPending);
    await expect(jobs.pending()).resolves.toEqual([]);
  });

  it.each<[string, Answer]>([
    ['another token', accepted({ clientToken: 'stale', queuedJobs: [] })],
    ['no answer', 'silence'],
  ])('ends when its time is up: %s', async (_name, answer) => {
    const { jobs } = serviceThat(() => answer);
    await expect(jobs.pending()).rejects.toMatchObject({ disconnected: false });
  });

  it('ignores a reply with its token on the topic of another request', async () => {
    const { jobs } = serviceThat(({ body }) => {
      const text = JSON.stringify({ clientToken: body.clientToken, queuedJobs: [] });
      jobs.receive('$aws/things/pump/jobs/other/update/accepted', Buffer.from(text));
      return 'silence';
    });
    await expect(jobs.pending()).rejects.toThrow(JobRequestUnansweredError);
  });

  it.each([
    ['text', 'hello'],
    ['an array', '[]'],
    ['nothing', ''],
    ['over the size of an MQTT message', `{"clientToken":"${'x'.repeat(140_000)}"}`],
  ])('survives a reply that is %s', (_name, text) => {
    const { jobs } = serviceThat(() => 'silence');
    expect(jobs.receive('$aws/things/pump/jobs/get/accepted', Buffer.from(text))).toBe(true);
  });

  it('does not take the replies of another thing', () => {
    const { jobs } = serviceThat(() => 'silence');
    const topic = '$aws/things/other/jobs/get/accepted';
    expect(jobs.receive(topic, Buffer.from('{}'))).toBe(false);
  });

  it('ends at once where the connection goes', async () => {
    const { jobs } = serviceThat(() => 'silence');
    const pending = jobs.pending();
    jobs.abandonAll();
    await expect(pending).rejects.toMatchObject({ disconnected: true });
  });

  it('ends at once where the broker refuses it', async () => {
    const { jobs } = serviceThat(() => 'silence', { kind: 'refused', reasonCode: 135 });
    await expect(jobs.pending()).rejects.toThrow(JobRequestRejectedError);
  });

  it.each<[string, Answer, boolean]>([
    ['a list', nothingPending, true],
    ['a refusal', rejected('InternalError'), true],
    ['nothing', 'silence', false],
  ])('tells by %s whether the service answers', async (_name, answer, answers) => {
    expect(await serviceThat(() => answer).jobs.answers()).toBe(answers);
  });

  it.each(['ResourceNotFound', 'TerminalStateReached'])('finds no job after %s', async (code) => {
    const { jobs } = serviceThat(() => rejected(code));
    await expect(jobs.describe('job')).resolves.toBeNull();
  });
});

describe('a job update', () => {
  const report = (service: ReturnType<typeof serviceThat>) => {
    const held = { jobId: 'job', executionNumber: 1, version: 2, status: 'IN_PROGRESS' };
    const retry = () => new Backoff({ baseMs: 1, capMs: 1 });
    return reportStatus({ jobs: service.jobs, retry, log }, held, 'SUCCEEDED', { said: 'done' });
  };
  const isUpdate = ({ topic }: Request) => topic.endsWith('/update');
  const execution = (versionNumber: number, executionNumber = 1) =>
    accepted({
      execution: {
        jobId: 'job',
        status: 'IN_PROGRESS',
        queuedAt: 1,
        versionNumber,
        executionNumber,
      },
    });
  const versions = (service: ReturnType<typeof serviceThat>) =>
    service.requests.filter(isUpdate).map(({ body }) => body.expectedVersion);

  it('expects the version last seen', async () => {
    const service = serviceThat(() => accepted({}));
    await expect(report(service)).resolves.toBe('reported');
    expect(versions(service)).toEqual([2]);
  });

  it('is read again after a mismatch and sent with the new version', async () => {
    const service = serviceThat((request, count) => {
      if (!isUpdate(request)) return execution(7);
      return count === 1 ? rejected('VersionMismatch') : accepted({});
    });
    await expect(report(service)).resolves.toBe('reported');
    expect(versions(service)).toEqual([2, 7]);
  });

  it('is read again after a lost answer', async () => {
    const service = serviceThat((request) => (isUpdate(request) ? 'silence' : execution(3, 2)));
    // The execution number moved on, so this execution is over.
    await expect(report(service)).resolves.toBe('gone');
    expect(versions(service)).toEqual([2]);
  });

  it.each(['TerminalStateReached', 'ResourceNotFound', 'InvalidStateTransition'])(
    'is not repeated after %s',
    async (code) => {
      const service = serviceThat(() => rejected(code));
      await expect(report(service)).resolves.toBe('gone');
      expect(service.requests).toHaveLength(1);
    },
  );

  it.each(['RequestThrottled', 'InternalError', 'VersionMismatch'])(
    'is tried five times and no more where the answer is always %s',
    async (code) => {
      const service = serviceThat((request) => (isUpdate(request) ? rejected(code) : execution(2)));
      await expect(report(service)).resolves.toBe('unreported');
      expect(versions(service)).toHaveLength(5);
    },
  );
});

describe('the commit gate', () => {
  const pass = (service: ReturnType<typeof serviceThat>) => {
    const held = { jobId: 'job', executionNumber: 1, version: 2, status: 'IN_PROGRESS' };
    const retry = () => new Backoff({ baseMs: 1, capMs: 1 });
    return passGate({ jobs: service.jobs, retry, log }, held, {});
  };
  const isUpdate = ({ topic }: Request) => topic.endsWith('/update');
  const execution = (status: string, executionNumber = 1) =>
    accepted({
      execution: { jobId: 'job', status, queuedAt: 1, versionNumber: 5, executionNumber },
    });
  /** Each update gets this answer, each reading that one. */
  const asked = (update: (nth: number) => Answer, read: Answer) => {
    let updates = 0;
    return serviceThat((request) => (isUpdate(request) ? update((updates += 1)) : read));
  };
  const inProgress = execution('IN_PROGRESS');
  const mismatch = rejected('VersionMismatch');
  const terminal = rejected('TerminalStateReached');

  it.each<[string, (nth: number) => Answer]>([
    ['a mismatch', (nth) => (nth === 1 ? mismatch : accepted({}))],
    ['a lost answer', (nth) => (nth === 1 ? 'silence' : accepted({}))],
  ])('is passed after %s only by an answer to another update', async (_what, update) => {
    const service = asked(update, inProgress);
    expect(await pass(service)).toBe('passed');
    const versions = service.requests.filter(isUpdate).map(({ body }) => body.expectedVersion);
    expect(versions).toEqual([2, 5]);
  });

  it.each<[string, Answer, Answer]>([
    ['cancelled', terminal, execution('CANCELED')],
    ['cancelled', mismatch, execution('CANCELED')],
    ['cancelled', 'silence', execution('CANCELED')],
    ['timedOut', terminal, execution('TIMED_OUT')],
    ['superseded', terminal, execution('QUEUED', 2)],
    ['superseded', mismatch, execution('IN_PROGRESS', 2)],
    ['deleted', rejected('ResourceNotFound'), rejected('ResourceNotFound')],
    ['over', terminal, execution('FAILED')],
    ['over', terminal, rejected('InternalError')],
    ['unanswered', mismatch, inProgress],
    ['unanswered', 'silence', inProgress],
    ['unanswered', rejected('RequestThrottled'), rejected('RequestThrottled')],
  ])('is shut and says why: %s', async (why, update, read) => {
    expect(await pass(asked(() => update, read))).toBe(why);
  });

  it('is shut where the connection goes, though the update may have been taken', async () => {
    const service = serviceThat(() => 'silence', { kind: 'disconnected', byBroker: false });
    expect(await pass(service)).toBe('offline');
  });
});
