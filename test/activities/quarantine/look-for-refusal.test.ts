import { expect, it } from '@jest/globals';
import type { JobExecution } from '../../../activities/aws/iot-jobs';
import type { QuarantineDeps } from '../../../activities/quarantine/deps';
import { lookForRefusal, type ProbeSeries } from '../../../activities/quarantine/prove';

const DENIED_AT = '2026-01-01T00:00:00.000Z';

/** A device whose answers and nonces the test decides, which no broker and no agent of ours would give like this. */
function probed() {
  const answers = new Map<string, JobExecution>();
  const arrived = new Set<string>();
  const dropped: string[] = [];
  let now = Date.parse(DENIED_AT);
  const deps: Pick<QuarantineDeps, 'place' | 'probes' | 'now'> & object = {
    place: { partition: 'aws', region: 'eu-west-1', accountId: '000000000000' },
    probes: { arrived: (nonce) => Promise.resolve(arrived.has(nonce)) },
    now: () => now,
    ...{
      logging: { firstRefusal: () => Promise.resolve(null) },
      connections: { drop: (thing: string) => Promise.resolve(dropped.push(thing)) },
      jobs: {
        execution: (jobId: string) => Promise.resolve(answers.get(jobId) ?? null),
        create: (jobId: string) => {
          answers.set(jobId, { status: 'QUEUED', statusDetails: {} });
          return Promise.resolve();
        },
      },
    },
  };
  const series: ProbeSeries = { kind: 'probe', runId: 'run', number: 1 };
  const mayAct = () => Promise.resolve(true);
  return {
    series,
    arrived,
    dropped,
    look: () => lookForRefusal(deps as QuarantineDeps, 'pump', DENIED_AT, { series, mayAct }),
    answer: (probe: string) =>
      answers.set(`quarantine-probe-${series.number}-run`, {
        status: 'SUCCEEDED',
        statusDetails: { probe },
      }),
    wait: (ms: number) => (now += ms),
  };
}

it.each(['refused', 'disconnected'])(
  'takes %s, with no nonce arriving, for a refusal',
  async (answer) => {
    const device = probed();
    await device.look();
    device.answer(answer);
    await device.look();
    device.wait(60_000);
    expect(await device.look()).toMatchObject({ by: 'probe' });
  },
);

it.each(['unanswered', 'accepted', 'nonsense'])(
  'takes %s for no proof, and asks anew',
  async (answer) => {
    const device = probed();
    await device.look();
    device.answer(answer);
    for (let looks = 0; looks < 5; looks += 1) {
      expect(await device.look()).toBeUndefined();
      device.wait(60_000);
    }
    expect(device.series.number).toBe(2);
  },
);

it('takes a nonce that arrives after the answer refused for no proof, and drops the session', async () => {
  const device = probed();
  await device.look();
  device.answer('refused');
  expect(await device.look()).toBeUndefined();
  device.wait(100);
  device.arrived.add('probe-1-run');
  expect(await device.look()).toBeUndefined();
  expect(device.dropped).toEqual(['pump']);
  expect(device.series.number).toBe(2);
  // The next answer is waited for as long as the first was.
  await device.look();
  device.answer('refused');
  expect(await device.look()).toBeUndefined();
  device.wait(60_000);
  expect(await device.look()).toMatchObject({ by: 'probe' });
});
