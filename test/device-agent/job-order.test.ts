import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { Backoff } from '../../device-agent/connection/backoff';
import type { JobsClient } from '../../device-agent/jobs/client';
import type { JobUpdate } from '../../device-agent/jobs/messages';
import { JobRunner } from '../../device-agent/jobs/runner';
import type { Operation, Operations } from '../../device-agent/operations/types';
import { Journal } from '../../device-agent/state/journal';
import type { JobOperation } from '../../domain/device-protocol/job-document';
import { eventually } from '../support/devices';
import { recordingLog } from './agents';

interface Job {
  jobId: string;
  queuedAt: number;
  operation: 'contain' | 'resume';
}

/** A device whose Jobs service shows what `shown` holds, and does not answer for `silent` ones. */
function device() {
  const shown: Job[] = [];
  const silent = new Set<string>();
  const ran: string[] = [];
  const ended: Record<string, JobUpdate> = {};
  const find = (jobId: string) => shown.find((job) => job.jobId === jobId);
  const summary = ({ jobId, queuedAt }: Job) => ({
    jobId,
    queuedAt,
    executionNumber: 1,
    versionNumber: 1,
  });
  const jobs = {
    pending: () => Promise.resolve(shown.filter(({ jobId }) => !ended[jobId]).map(summary)),
    describe: (jobId: string) => {
      const job = find(jobId);
      if (job === undefined || silent.has(jobId)) return Promise.reject(new Error('no answer'));
      const { operation } = job;
      const common = { version: 1, requestedBy: 'test', operation };
      const jobDocument = operation === 'contain' ? { ...common, reason: 'floods' } : common;
      return Promise.resolve({ ...summary(job), status: 'QUEUED', jobDocument });
    },
    update: (jobId: string, update: JobUpdate) => {
      if (update.status !== 'IN_PROGRESS') ended[jobId] = update;
      return Promise.resolve(update.expectedVersion + 1);
    },
  } as unknown as JobsClient;
  const operation = (name: JobOperation): Operation<JobOperation> => ({
    lane: 'containment',
    run: (_document, { key }) => {
      ran.push(`${name} ${key}`);
      return Promise.resolve({ status: 'SUCCEEDED', details: {} });
    },
  });
  const operations = {
    contain: operation('contain'),
    resume: operation('resume'),
  } as unknown as Operations;
  const runner = new JobRunner({
    jobs,
    operations,
    journal: new Journal(mkdtempSync(join(tmpdir(), 'order-'))),
    retry: () => new Backoff({ baseMs: 1, capMs: 1 }),
    retryLaterMs: 5,
    log: recordingLog().log,
  });
  return { shown, silent, ran, ended, runner };
}

it('does not lift a containment by a job that was asked for before it and read after it', async () => {
  const { shown, silent, ran, ended, runner } = device();
  shown.push({ jobId: 'newer', queuedAt: 20, operation: 'contain' });
  shown.push({ jobId: 'older', queuedAt: 10, operation: 'resume' });
  silent.add('older');
  await runner.refresh();
  silent.clear();
  runner.hint();
  await eventually(
    () => ended['older'],
    (update) => update !== undefined,
  );
  expect(ended['older']).toMatchObject({
    status: 'REJECTED',
    statusDetails: { reason: expect.stringContaining('asked for later') },
  });
  shown.push({ jobId: 'newest', queuedAt: 30, operation: 'resume' });
  await runner.refresh();
  expect(ran).toEqual(['contain newer#1', 'resume newest#1']);
  await runner.stop();
});

it('carries out the oldest first where it can read them all, and contains however late that is read', async () => {
  const { shown, ran, runner } = device();
  shown.push({ jobId: 'second', queuedAt: 20, operation: 'contain' });
  shown.push({ jobId: 'first', queuedAt: 10, operation: 'resume' });
  await runner.refresh();
  expect(ran).toEqual(['resume first#1', 'contain second#1']);
  shown.push({ jobId: 'late', queuedAt: 5, operation: 'contain' });
  await runner.refresh();
  expect(ran.at(-1)).toBe('contain late#1');
  await runner.stop();
});
