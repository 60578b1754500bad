import { expect, it } from '@jest/globals';
import { eventually } from '../../support/devices';
import { UpdateBed, untilTheEnd } from './update-bed';

const CUT_OFF = {
  status: 'FAILED',
  details: {
    step: 'confirming',
    reason: expect.stringMatching(/^no connection to the cloud for \d+ s since the new release/),
  },
};

it('takes a healthy release back under which the cloud does not answer in time', async () => {
  const bed = new UpdateBed();
  bed.connected = () => bed.trials === 0;
  const { outcome } = await untilTheEnd(bed);
  expect(outcome).toMatchObject(CUT_OFF);
  expect(bed.running()).toEqual({ software: 'factory', settled: true });
});

it('confirms a release only once the cloud answers', async () => {
  const bed = new UpdateBed();
  let asked = 0;
  bed.connected = () => (asked += 1) > 3;
  const { outcome } = await untilTheEnd(bed);
  expect(outcome).toMatchObject({ status: 'SUCCEEDED' });
  expect(asked).toBe(4);
});

it('asks again in each new life, in a bounded number of starts', async () => {
  const bed = new UpdateBed({ killIn: 'confirming', kills: Infinity });
  bed.connected = () => false;
  const { outcome } = await untilTheEnd(bed);
  expect(outcome).toMatchObject({ status: 'FAILED' });
  expect(bed.trials).toBe(3);
});

it('names what ended the release, where that comes before the time to connect is over', async () => {
  const bed = new UpdateBed();
  bed.connected = () => false;
  const life = bed.life();
  const running = life.run();
  await eventually(
    () => life.application,
    (application) => application === 'trial',
  );
  setTimeout(() => life.endTrial('exit code 3'), 100);
  expect(await running).toMatchObject({
    status: 'FAILED',
    details: { reason: 'the application ended: exit code 3' },
  });
});

it('waits with a contained device, and gives it the whole time once it is resumed', async () => {
  const bed = new UpdateBed();
  bed.connected = () => false;
  const life = bed.life();
  const running = life.run();
  await eventually(
    () => life.application,
    (application) => application === 'trial',
  );
  bed.contained = true;
  life.updater.onContained();
  life.endTrial('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(life.journal.current).toMatchObject({ state: 'confirming' });
  bed.contained = false;
  bed.connected = () => true;
  await life.updater.onResumed();
  expect(await running).toMatchObject({ status: 'SUCCEEDED' });
});
