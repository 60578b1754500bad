import {
  PutCompositeAlarmCommand,
  PutMetricAlarmCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import { CreateTopicCommand } from '@aws-sdk/client-sns';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createAlarmSource } from '../../../activities/aws/alarms';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import type { AlarmSource } from '../../../domain/alarm/source';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

const NAME = 'iot-runbooks/RefusedPublishes/pump-7';
let emulator: Emulator;
let clients: AwsClients;
let alarms: AlarmSource;

beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  alarms = createAlarmSource(() => clients);
  await clients.cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName: NAME,
      Namespace: 'IotRunbooks/Device',
      MetricName: 'RefusedPublishes',
      Dimensions: [{ Name: 'ThingName', Value: 'pump-7' }],
      Statistic: 'Sum',
      Period: 10,
      EvaluationPeriods: 1,
      Threshold: 5,
      ComparisonOperator: 'GreaterThanThreshold',
    }),
  );
});
afterAll(() => emulator.stop());

const setState = (StateValue: 'ALARM' | 'OK') =>
  clients.cloudwatch.send(
    new SetAlarmStateCommand({ AlarmName: NAME, StateValue, StateReason: 'tested' }),
  );

describe('an alarm at CloudWatch', () => {
  it('is read with its state, dimensions, account and region', async () => {
    await setState('ALARM');
    expect(await alarms.readAlarm(NAME, 'eu-west-1')).toEqual({
      source: 'cloudwatch',
      name: NAME,
      arn: `arn:aws:cloudwatch:eu-west-1:000000000000:alarm:${NAME}`,
      accountId: '000000000000',
      region: 'eu-west-1',
      state: 'ALARM',
      stateChangedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      reason: 'tested',
      dimensions: { ThingName: 'pump-7' },
    });
    await setState('OK');
    expect(await alarms.readAlarm(NAME, 'eu-west-1')).toMatchObject({ state: 'OK' });
  });

  it('is found by its whole name only', async () => {
    expect(await alarms.readAlarm(NAME.slice(0, -1), 'eu-west-1')).toBeNull();
    expect(await alarms.readAlarm(`${NAME}0`, 'eu-west-1')).toBeNull();
  });

  it('that is composite names no thing', async () => {
    await clients.cloudwatch.send(
      new PutCompositeAlarmCommand({ AlarmName: 'all', AlarmRule: `ALARM("${NAME}")` }),
    );
    expect(await alarms.readAlarm('all', 'eu-west-1')).toMatchObject({
      name: 'all',
      dimensions: {},
    });
  });

  it('can not be read where CloudWatch does not answer', async () => {
    const nowhere = createAwsClients({ ...emulator, endpoint: 'http://127.0.0.1:1' });
    await expect(createAlarmSource(() => nowhere).readAlarm(NAME, 'eu-west-1')).rejects.toThrow();
  });
});

describe('a subscription token', () => {
  it('that SNS does not know is refused, not an outage', async () => {
    const { TopicArn = '' } = await clients.sns.send(new CreateTopicCommand({ Name: 'alarms' }));
    expect(await alarms.confirmSubscription(TopicArn, 'made-up')).toBe('refused');
  });

  it('can not be confirmed where SNS does not answer', async () => {
    const nowhere = createAlarmSource(() =>
      createAwsClients({ ...emulator, endpoint: 'http://127.0.0.1:1' }),
    );
    await expect(
      nowhere.confirmSubscription('arn:aws:sns:eu-west-1:000000000000:alarms', 'x'),
    ).rejects.toThrow();
  });
});
