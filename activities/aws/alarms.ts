import {
  DescribeAlarmsCommand,
  type CloudWatchClient,
  type CompositeAlarm,
  type MetricAlarm,
} from '@aws-sdk/client-cloudwatch';
import { ConfirmSubscriptionCommand, type SNSClient } from '@aws-sdk/client-sns';

import { mergeDimensions } from '../../domain/alarm/dimensions';
import type { AlarmSource } from '../../domain/alarm/source';
import type { Alarm } from '../../domain/alarm/types';
import { isAwsError } from '../failure';

export interface AlarmClients {
  cloudwatch: CloudWatchClient;
  sns: SNSClient;
}

/** SNS waits 15 s for an answer of ours; a call that hangs must leave time to say "try again". */
const CALL_TIMEOUT_MS = 5_000;

/** CloudWatch and SNS as the source of truth about alarms, by region. */
export function createAlarmSource(clientsIn: (region: string) => AlarmClients): AlarmSource {
  return {
    /** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html */
    async readAlarm(name, region) {
      const found = await clientsIn(region).cloudwatch.send(
        new DescribeAlarmsCommand({
          AlarmNames: [name],
          AlarmTypes: ['MetricAlarm', 'CompositeAlarm'],
        }),
        { abortSignal: AbortSignal.timeout(CALL_TIMEOUT_MS) },
      );
      const all = [...(found.MetricAlarms ?? []), ...(found.CompositeAlarms ?? [])];
      const alarm = all.find(({ AlarmName }) => AlarmName === name);
      return alarm === undefined ? null : toAlarm(alarm);
    },

    /** https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html */
    async confirmSubscription(topicArn, token) {
      try {
        await clientsIn(regionOf(topicArn)).sns.send(
          new ConfirmSubscriptionCommand({
            TopicArn: topicArn,
            Token: token,
            AuthenticateOnUnsubscribe: 'true',
          }),
          { abortSignal: AbortSignal.timeout(CALL_TIMEOUT_MS) },
        );
        return 'confirmed';
      } catch (error) {
        if (isAwsError(error, ...TOKEN_REFUSED)) return 'refused';
        throw error;
      }
    },
  };
}

const TOKEN_REFUSED = ['InvalidParameterException', 'InvalidParameter', 'NotFoundException'];

const regionOf = (arn: string): string => arn.split(':')[3] ?? '';

/** `arn:aws:cloudwatch:<region>:<account>:alarm:<name>`. */
function toAlarm(alarm: MetricAlarm | CompositeAlarm): Alarm | null {
  const { AlarmName: name, AlarmArn: arn, StateValue: state } = alarm;
  // The last change of the value itself; the other time also moves when only the evaluation changes.
  const changed = alarm.StateTransitionedTimestamp ?? alarm.StateUpdatedTimestamp;
  if (name === undefined || arn === undefined || changed === undefined) return null;
  if (state !== 'ALARM' && state !== 'OK' && state !== 'INSUFFICIENT_DATA') return null;
  const [, , , region = '', accountId = ''] = arn.split(':');
  return {
    source: 'cloudwatch',
    name,
    arn,
    accountId,
    region,
    state,
    stateChangedAt: changed.toISOString(),
    reason: alarm.StateReason ?? '',
    dimensions: mergeDimensions(dimensionsOf(alarm)),
  };
}

function dimensionsOf(alarm: MetricAlarm | CompositeAlarm): { name: string; value: string }[] {
  if (!('Dimensions' in alarm || 'Metrics' in alarm)) return [];
  const ofMetrics = alarm.Metrics?.flatMap(
    ({ MetricStat }) => MetricStat?.Metric?.Dimensions ?? [],
  );
  return [...(alarm.Dimensions ?? []), ...(ofMetrics ?? [])].map(({ Name, Value }) => ({
    name: Name ?? '',
    value: Value ?? '',
  }));
}
