import { expect, it } from '@jest/globals';
import { isHarmless, runAgentHostile } from './agent-hostile/run';

/** Others for each seed; `npm run chaos -- agent-hostile` runs far more. */
const SIZE = { jobs: 60, fuzzed: 3_000, secrets: 100, seed: 5, log: () => undefined };

it('neither breaks, installs what it must not, writes elsewhere, starts a shell nor lets a secret out', async () => {
  const report = await runAgentHostile(SIZE);
  expect(report).toMatchObject({
    fuzzed: SIZE.fuzzed,
    crashes: 0,
    badInstalls: 0,
    escapes: 0,
    secretsLeaked: 0,
    details: { findings: { crash: [], badInstall: [], escape: [], shell: [], hang: [] } },
  });
  expect(report.jobs).toBeGreaterThanOrEqual(SIZE.jobs);
  expect(isHarmless(report)).toBe(true);
}, 120_000);

it('is noticed where it does', async () => {
  const report = await runAgentHostile({
    ...SIZE,
    jobs: 10,
    fuzzed: 100,
    secrets: 10,
    sabotage: true,
  });
  const { findings, leakedKinds } = report.details;
  expect(findings).toMatchObject({
    crash: [expect.stringContaining('sabotage')],
    badInstall: [expect.stringContaining('was changed')],
    escape: [expect.stringContaining('writeFile'), expect.stringContaining('was changed')],
    hang: [],
  });
  expect(findings.shell).toContain('exec true');
  expect(leakedKinds).toEqual(['plain']);
  expect(report.growthMiB).toBeGreaterThan(50);
  expect(isHarmless(report)).toBe(false);
}, 120_000);
