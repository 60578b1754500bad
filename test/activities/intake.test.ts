import { describe, expect, it } from '@jest/globals';

import { createIntakeActivities, type RunbookStart } from '../../activities/intake';
import type { Alarm } from '../../domain/alarm/types';

const ALARM: Alarm = {
  source: 'webhook',
  name: 'scanner/OpenTelnet',
  arn: 'webhook:0',
  accountId: '',
  region: '',
  state: 'ALARM',
  stateChangedAt: '2026-11-24T12:00:00.000Z',
  reason: 'port 23 answers',
  dimensions: { ThingName: 'pump-7' },
};
const route = { runbook: 'quarantine', thing: 'pump-7', severity: 'medium' } as const;

describe("handing an alarm to a device's runbook", () => {
  it.each([
    [ALARM, 'alarm scanner/OpenTelnet: port 23 answers'],
    [
      { ...ALARM, unverified: true as const },
      'unverified alarm scanner/OpenTelnet of webhook: port 23 answers',
    ],
  ])(
    'gives a reason that says whether anything but its sender bears it out',
    async (alarm, reason) => {
      const starts: RunbookStart[] = [];
      const activities = createIntakeActivities({
        startOrTell: (start) => {
          starts.push(start);
          return Promise.resolve();
        },
      });
      await activities.deliverAlarm({ alarm, route, eventId: 'alarm/1' });
      expect(starts).toEqual([
        {
          workflowId: 'quarantine/pump-7',
          input: { thing: 'pump-7', reason, severity: 'medium', alarm },
          alarm,
          updateId: 'alarm/1',
        },
      ]);
    },
  );

  it('fails in a way that is tried again where the run can not be reached', async () => {
    const activities = createIntakeActivities({
      startOrTell: () => Promise.reject(new Error('down')),
    });
    await expect(
      activities.deliverAlarm({ alarm: ALARM, route, eventId: 'alarm/1' }),
    ).rejects.toMatchObject({
      nonRetryable: false,
    });
  });
});
