import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
  type PutMetricAlarmCommandInput,
} from '@aws-sdk/client-cloudwatch';
import { CreateTopicCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { START_TIMEOUT_MS, clientsOf, eventually, policyDocument, statement } from './support';

const METRIC = { Namespace: 'Test', MetricName: 'Refused' };

const dimensions = (thing: string) => [{ Name: 'ThingName', Value: thing }];

function putAlarm(
  emulator: Emulator,
  thing: string,
  extra: Partial<PutMetricAlarmCommandInput> = {},
) {
  return clientsOf(emulator).cloudwatch.send(
    new PutMetricAlarmCommand({
      ...METRIC,
      AlarmName: thing,
      Dimensions: dimensions(thing),
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 5,
      ComparisonOperator: 'GreaterThanThreshold',
      ...extra,
    }),
  );
}

function putDatum(emulator: Emulator, thing: string | null, value: number, secondsAgo = 0) {
  return clientsOf(emulator).cloudwatch.send(
    new PutMetricDataCommand({
      Namespace: METRIC.Namespace,
      MetricData: [
        {
          MetricName: METRIC.MetricName,
          ...(thing !== null && { Dimensions: dimensions(thing) }),
          Value: value,
          Timestamp: new Date(Date.now() - secondsAgo * 1000),
        },
      ],
    }),
  );
}

async function stateOf(emulator: Emulator, alarm: string) {
  const { cloudwatch } = clientsOf(emulator);
  const found = await cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [alarm] }));
  return found.MetricAlarms?.[0]?.StateValue;
}

describe('metric alarms', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('judge only the series with exactly their dimensions', async () => {
    await putAlarm(emulator, 'dim-a');
    await putDatum(emulator, 'dim-b', 100);
    await putDatum(emulator, null, 100);
    await putDatum(emulator, 'dim-a', 1);
    expect(await stateOf(emulator, 'dim-a')).toBe('OK');
    await putDatum(emulator, 'dim-a', 100);
    expect(await stateOf(emulator, 'dim-a')).toBe('ALARM');
  });

  it('need as many breaching periods as they say', async () => {
    await putAlarm(emulator, 'two-of-three', { EvaluationPeriods: 3, DatapointsToAlarm: 2 });
    await putDatum(emulator, 'two-of-three', 100, 90);
    expect(await stateOf(emulator, 'two-of-three')).toBe('OK');
    await putDatum(emulator, 'two-of-three', 100);
    expect(await stateOf(emulator, 'two-of-three')).toBe('ALARM');
  });

  it('treat missing data as told once the data are old', async () => {
    const after = {
      missing: 'INSUFFICIENT_DATA',
      notBreaching: 'OK',
      ignore: 'ALARM',
      breaching: 'ALARM',
    };
    for (const treatment of Object.keys(after)) {
      await putAlarm(emulator, treatment, { Period: 10, TreatMissingData: treatment });
      await putDatum(emulator, treatment, 100, 7);
    }
    const states = async () =>
      Object.fromEntries(
        await Promise.all(
          Object.keys(after).map(async (name) => [name, await stateOf(emulator, name)] as const),
        ),
      );
    expect(new Set(Object.values(await states()))).toEqual(new Set(['ALARM']));
    // Each series has a period of its own, by the time of its datum.
    expect(
      await eventually(async () => {
        const now = await states();
        return isDeepStrictEqual(now, after) ? now : undefined;
      }),
    ).toEqual(after);
  });

  it('keep a state set by hand while their series never had a datum', async () => {
    await putAlarm(emulator, 'by-hand');
    await clientsOf(emulator).cloudwatch.send(
      new SetAlarmStateCommand({
        AlarmName: 'by-hand',
        StateValue: 'ALARM',
        StateReason: 'a test',
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await stateOf(emulator, 'by-hand')).toBe('ALARM');
  });

  it("tell their topic in AWS's words", async () => {
    const { sns, sqs } = clientsOf(emulator);
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }));
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'alarms' }));
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
    );
    await sqs.send(
      new SetQueueAttributesCommand({
        QueueUrl,
        Attributes: {
          Policy: policyDocument({
            ...statement('Allow', 'sqs:SendMessage', Attributes?.['QueueArn'] ?? ''),
            Principal: { Service: 'sns.amazonaws.com' },
          }),
        },
      }),
    );
    await sns.send(
      new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: Attributes?.['QueueArn'] }),
    );
    await putAlarm(emulator, 'told', { AlarmActions: [TopicArn ?? ''] });
    await putDatum(emulator, 'told', 100);
    const body = await eventually(async () => {
      const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      return Messages?.[0]?.Body;
    });
    const envelope = JSON.parse(body) as { Message: string };
    expect(JSON.parse(envelope.Message)).toMatchObject({
      AlarmName: 'told',
      AlarmArn: `arn:aws:cloudwatch:${emulator.region}:${emulator.accountId}:alarm:told`,
      NewStateValue: 'ALARM',
      OldStateValue: 'INSUFFICIENT_DATA',
      StateChangeTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/),
      Trigger: {
        ...METRIC,
        Statistic: 'SUM',
        Dimensions: [{ name: 'ThingName', value: 'told' }],
        Period: 60,
        Threshold: 5,
      },
    });
  });
});

describe('metric_alarms is still needed: the stock emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ withoutPatches: ['metric_alarms'] });
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it("fires the alarm of one thing from another's metric", async () => {
    await putAlarm(emulator, 'innocent');
    await putDatum(emulator, 'guilty', 100);
    expect(await stateOf(emulator, 'innocent')).toBe('ALARM');
  });
});
