import { describe, expect, it } from '@jest/globals';
import { judgeRollout, type Evidence, type JobSeen } from './staged-ota/judge';
import { runStagedOtaChaos } from './staged-ota/run';

/** `npm run chaos -- staged-ota` runs a hundred: one good and one bad build here. */
it('rollouts end right when worker, Temporal and agents are killed through them', async () => {
  const lines: string[] = [];
  const { result, ok } = await runStagedOtaChaos({
    sample: 2,
    seed: 1,
    log: (line) => lines.push(line),
  });
  const findings = { stuck: 0, wrong: 0, updatedTwice: 0, leftLeases: 0, leftPending: 0 };
  expect({ ...result, lines }).toMatchObject({ rollouts: 2, ...findings });
  expect(result.kills).toBeGreaterThan(0);
  expect(ok).toBe(true);
}, 400_000);

const job = (more: Partial<JobSeen> = {}): JobSeen => ({
  ...{ jobId: 'j1', kind: 'rollout', target: 'pump/1.1.0.tar', hop: 0, attempt: 0 },
  ...{ things: ['p1'], succeeded: ['p1'] },
  ...more,
});
const good: Evidence = {
  good: true,
  version: '1.1.0',
  result: { outcome: 'completed', abortAcknowledgedAt: null },
  list: [{ thing: 'p1', outcome: 'updated', runs: '1.1.0' }],
  slots: { p1: '1.1.0' },
  started: ['p1'],
  jobs: [job()],
  leases: [],
  pending: [],
};
const bad: Evidence = {
  ...good,
  good: false,
  result: { outcome: 'rolledBack', abortAcknowledgedAt: '2026-01-01T00:00:00.000Z' },
  list: [{ thing: 'p1', outcome: 'rolledBack', runs: '1.0.0' }],
  slots: { p1: '1.0.0' },
};
const clean = { stuck: [], wrong: [], updatedTwice: [], leftLeases: [], leftPending: [] };

describe('what is told of a rollout that was disturbed', () => {
  it('is nothing where it ended right', () => {
    expect(judgeRollout(good)).toEqual(clean);
    expect(judgeRollout(bad)).toEqual(clean);
  });

  it.each<[string, Evidence, object]>([
    ['one without an end', { ...good, result: null }, { stuck: [expect.any(String)] }],
    [
      'a good build that was stopped',
      { ...good, result: bad.result },
      { wrong: ['the good build ended rolledBack'] },
    ],
    [
      'a bad build that went through',
      { ...bad, result: good.result },
      { wrong: ['the bad build ended completed'] },
    ],
    [
      'a device that is listed twice',
      { ...good, list: [...good.list, ...good.list] },
      { wrong: ['p1 is listed 2 times'] },
    ],
    [
      'a device that runs something else than is listed',
      { ...good, slots: { p1: '1.0.0' } },
      { wrong: ['p1 runs 1.0.0', 'p1 is updated, said to run 1.1.0, runs 1.0.0'] },
    ],
    [
      'a device that ran the bad build, listed as untouched',
      { ...bad, list: [{ thing: 'p1', outcome: 'untouched', runs: null }] },
      { wrong: ['p1 is listed as untouched'] },
    ],
    [
      'a device that was asked and updated by two jobs',
      { ...good, jobs: [job(), job({ jobId: 'j2' })] },
      { updatedTwice: [expect.stringMatching(/asked by j1 and j2/), expect.any(String)] },
    ],
    [
      'a device that was updated again by a later try',
      { ...good, jobs: [job(), job({ jobId: 'j2', attempt: 1 })] },
      { updatedTwice: [expect.stringMatching(/updated by j1 and j2/)] },
    ],
    [
      'a lease that is left',
      { ...good, leases: ['ota/x'] },
      { leftLeases: ['ota/x holds a lease'] },
    ],
    ['a job that is left', { ...good, pending: ['p1 j1'] }, { leftPending: ['p1 j1 is pending'] }],
  ])('is %s', (_name, seen, findings) => {
    expect(judgeRollout(seen)).toEqual({ ...clean, ...findings });
  });
});
