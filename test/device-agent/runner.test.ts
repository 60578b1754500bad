import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Backoff } from '../../device-agent/connection/backoff';
import { JobRequestUnansweredError, JobsClient } from '../../device-agent/jobs/client';
import { JobRunner } from '../../device-agent/jobs/runner';
import type { Operation, Operations } from '../../device-agent/operations/types';
import { Journal } from '../../device-agent/state/journal';

const log = pino({ level: 'silent' });

/** One `probe` job on a Jobs service that loses the connection under each terminal report until told otherwise. */
function runnerWith(journal: Journal) {
  const job = { jobId: 'job', queuedAt: 1, executionNumber: 1, versionNumber: 2 };
  const jobDocument = {
    version: 1,
    operation: 'probe',
    requestedBy: 'test',
    nonce: 'n'.repeat(16),
  };
  const service = { reports: [] as string[], lost: true };
  const jobs = Object.assign(
    new JobsClient('pump', { publish: () => Promise.resolve({ kind: 'held' }) }, 50, log),
    {
      pending: () => Promise.resolve([job]),
      describe: () => Promise.resolve({ ...job, status: 'IN_PROGRESS', jobDocument }),
      update: (
        _jobId: string,
        { status, statusDetails }: { status: string; statusDetails: object },
      ) => {
        if (service.lost) return Promise.reject(new JobRequestUnansweredError(true));
        service.reports.push(`${status} ${JSON.stringify(statusDetails)}`);
        return Promise.resolve(3);
      },
    },
  );
  let runs = 0;
  const operation = <O extends keyof Operations>(): Operation<O> => ({
    lane: 'beside',
    run: () => Promise.resolve({ status: 'SUCCEEDED', details: { run: String((runs += 1)) } }),
  });
  const operations: Operations = {
    contain: operation(),
    resume: operation(),
    probe: operation(),
    install: operation(),
    diagnostics: operation(),
  };
  const retry = () => new Backoff({ baseMs: 1, capMs: 1 });
  const runner = new JobRunner({ jobs, journal, operations, retry, retryLaterMs: 60_000, log });
  return { runner, service };
}

it('tells the outcome that it had, though the disk was full as the job began', async () => {
  let full = true;
  const journal = new Journal(mkdtempSync(join(tmpdir(), 'runner-')));
  const recordStart = journal.recordStart.bind(journal);
  journal.recordStart = (key) => {
    if (full) throw new Error('no space left on device');
    recordStart(key);
  };
  const { runner, service } = runnerWith(journal);
  await runner.refresh();
  await new Promise((resolve) => setTimeout(resolve, 20));
  full = false;
  service.lost = false;
  await runner.refresh();
  await runner.stop();
  expect(service.reports).toEqual(['SUCCEEDED {"run":"1"}']);
});
