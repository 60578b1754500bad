import { expect, it } from '@jest/globals';
import { runQuarantineChaos } from './quarantine';

/** A new sample of moments for each seed; `npm run chaos -- quarantine` tries them all. */
const SAMPLE = 3;
const SEED = 4;

it('quarantine loses, repeats and leaves nothing when its worker is killed at sampled moments', async () => {
  const lines: string[] = [];
  const report = await runQuarantineChaos({
    sample: SAMPLE,
    seed: SEED,
    stepTimeout: '6 seconds',
    log: (line) => lines.push(line),
  });
  expect({ ...report, details: report.details.flatMap(({ problems }) => problems) }).toMatchObject({
    killPoints: SAMPLE - report.notReached,
    lost: 0,
    stuck: 0,
    duplicated: 0,
    details: [],
  });
  expect(report.killPoints).toBeGreaterThan(0);
  // The undisturbed run is the positive control: it found far more moments than were tried.
  expect(lines.find((line) => line.startsWith('undisturbed: ok'))).toMatch(/\d{2,} kill points/);
}, 300_000);
