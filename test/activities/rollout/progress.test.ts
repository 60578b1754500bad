import { describe, expect, it } from '@jest/globals';
import type { JobCounts, ListedExecution } from '../../../activities/rollout/deps';
import { progressOf, type WaveFacts, type WaveJob } from '../../../activities/rollout/progress';
import type { FailureCause, WaveCounts } from '../../../domain/rollout/types';
import { settingsFor } from '../../support/rollout-plan';
import { HOP } from '../../support/rollout-world';

const SETTINGS = {
  ...settingsFor(HOP.target),
  retriesNetwork: 2,
  queuedForMs: 100,
  inProgressForMs: 50,
};

function job(
  batch: number,
  statuses: Record<string, string>,
  more: Partial<WaveJob> = {},
): WaveJob {
  const things = Object.keys(statuses);
  const executions = new Map(
    things.map((thing): [string, ListedExecution] => [
      thing,
      { thing, status: statuses[thing] ?? '', queuedAt: 0, startedAt: null, updatedAt: 10 },
    ]),
  );
  const record = {
    ...{ jobId: `b${batch}`, kind: 'rollout' as const, wave: 1, batch, target: HOP.target },
    ...{ hop: 0, attempt: batch - 1, at: 0, things, group: null },
  };
  const rest = { counts: null, settled: false, listBy: 0, overdue: new Map(), causes: new Map() };
  return { record, executions, ...rest, ...more };
}

const standing = (names: string[], jobs: WaveJob[], more: Partial<WaveFacts> = {}) =>
  progressOf({
    plan: { settings: SETTINGS, routes: [{ hardware: 'a', from: '1.0.0', hops: [HOP] }] },
    devices: names.map((thing) => ({ thing, site: 'oslo', route: 0 })),
    ...{ skipped: new Map(), jobs, confirmed: new Map(), confirmedMore: 0, ...more },
  });

const sum = (counts: WaveCounts): number =>
  (Object.values(counts) as number[]).reduce((total, each) => total + each, -counts.size);

const failed = (...causes: FailureCause[]): WaveJob[] =>
  causes.map((cause, n) => job(n + 1, { a: 'FAILED' }, { causes: new Map([['a', cause]]) }));

describe('where a device stands', () => {
  it.each([
    [failed('network'), 'waiting'],
    [failed('network', 'network'), 'waiting'],
    [failed('network', 'network', 'network'), 'failed'],
    [failed('health'), 'failed'],
    [failed('network', 'health'), 'failed'],
    [failed('refused'), 'failed'],
  ] as const)('is by cause, after %# failures', (jobs, at) => {
    expect(standing(['a'], [...jobs]).standings[0]).toMatchObject({ at });
  });

  it.each([
    ['another runbook took it', { updatedAt: 99 }, 'skipped'],
    ['it never began in its time', { updatedAt: 100 }, 'unreached'],
    ['it did not end in its time', { startedAt: 1, updatedAt: 51 }, 'silent'],
    ['another runbook took it at work', { startedAt: 1, updatedAt: 50 }, 'skipped'],
  ] as const)('is told from when it was cancelled: %s', (_, times, at) => {
    const only = job(1, { a: 'CANCELED' });
    Object.assign(only.executions.get('a') ?? {}, times);
    expect(standing(['a'], [only]).standings[0]?.at).toBe(at);
  });

  it('is brought up to date by counts that are newer than the list', () => {
    const counts = { job: 'IN_PROGRESS', queued: 1, inProgress: 1, succeeded: 2 } as JobCounts;
    const jobs = [job(1, { a: 'QUEUED', b: 'QUEUED', c: 'QUEUED', d: 'QUEUED' }, { counts })];
    const now = standing(['a', 'b', 'c', 'd', 'e'], jobs, { confirmedMore: 1 }).counts;
    expect(now).toMatchObject({ waiting: 1, queued: 1, inProgress: 1, succeeded: 1, confirmed: 1 });
    expect(sum(now)).toBe(now.size);
  });

  it('never counts below zero where counts and list are not of one moment', () => {
    const counts = { job: 'IN_PROGRESS', queued: 0, inProgress: 3, succeeded: 1 } as JobCounts;
    const jobs = [job(1, { a: 'IN_PROGRESS', b: 'SUCCEEDED', c: 'SUCCEEDED' }, { counts })];
    const now = standing(['a', 'b', 'c'], jobs, { confirmedMore: 9 }).counts;
    expect(Math.min(...(Object.values(now) as number[]))).toBeGreaterThanOrEqual(0);
    expect(sum(now)).toBe(3);
  });
});
