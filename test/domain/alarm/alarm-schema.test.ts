import { describe, expect, it } from '@jest/globals';

import { alarmSchema } from '../../../domain/alarm/alarm.schema';
import type { Alarm } from '../../../domain/alarm/types';

const OF_AWS: Alarm = {
  source: 'cloudwatch',
  name: 'a',
  arn: 'arn:aws:cloudwatch:eu-west-1:000000000000:alarm:a',
  accountId: '000000000000',
  region: 'eu-west-1',
  state: 'ALARM',
  stateChangedAt: '2026-11-24T12:00:00.000Z',
  reason: '',
  dimensions: {},
};
const TOLD: Alarm = {
  ...OF_AWS,
  source: 'webhook',
  arn: 'webhook:0',
  accountId: '',
  region: '',
  unverified: true,
};

describe('an alarm as it is passed on', () => {
  it.each([
    ['of CloudWatch', OF_AWS],
    ['of another source', TOLD],
  ])('is taken: %s', (_case, alarm) => {
    expect(alarmSchema.parse(alarm)).toEqual(alarm);
  });

  it.each<[string, object, string]>([
    ['CloudWatch without an account', { ...OF_AWS, accountId: '' }, 'accountId'],
    ['CloudWatch without a region', { ...OF_AWS, region: '' }, 'region'],
    ['another source with an account', { ...TOLD, accountId: '000000000000' }, 'accountId'],
    ['another source with a region', { ...TOLD, region: 'eu-west-1' }, 'region'],
    ['an unknown source', { ...TOLD, source: 'x' }, 'source'],
    ['a flag that says no', { ...TOLD, unverified: false }, 'unverified'],
  ])('is refused by its field: %s', (_case, alarm, field) => {
    expect(alarmSchema.safeParse(alarm).error?.issues[0]?.path).toEqual([field]);
  });
});
