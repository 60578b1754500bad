import { z } from 'zod';

import type { Alarm } from '../../../domain/alarm/types';
import { mergeDimensions } from '../../../domain/alarm/dimensions';
import { accountId, alarmArn, alarmName, alarmState } from '../cloudwatch';
import type { AllowedTopic } from './verifier';

/** CloudWatch writes `name` and `value` small in what it sends to SNS, and large in its API. */
const dimension = z.union([
  z
    .object({ name: z.string().max(255), value: z.string().max(1024) })
    .transform(({ name, value }) => ({ name, value })),
  z
    .object({ Name: z.string().max(255), Value: z.string().max(1024) })
    .transform(({ Name, Value }) => ({ name: Name, value: Value })),
]);
const dimensions = z.array(dimension).max(30).optional();
const metric = z.object({
  MetricStat: z.object({ Metric: z.object({ Dimensions: dimensions }) }).optional(),
});

/** The part of CloudWatch's message that is used; the rest is read at CloudWatch itself. */
const alarmMessage = z.object({
  AlarmName: alarmName,
  AlarmArn: alarmArn.optional(),
  AWSAccountId: accountId,
  NewStateValue: alarmState,
  NewStateReason: z.string(),
  StateChangeTime: z.string().max(64),
  Trigger: z
    .object({ Dimensions: dimensions, Metrics: z.array(metric).max(500).optional() })
    .optional(),
});

const MAX_REASON = 1023;

/**
 * What the message of a verified notification claims, or null where it is no alarm. CloudWatch notifies topics
 * of its own region only, so the topic's region is the alarm's.
 */
export function parseAlarmMessage(text: string, topic: AllowedTopic): Alarm | null {
  const parsed = alarmMessage.safeParse(parseJson(text));
  if (!parsed.success) return null;
  const { data } = parsed;
  const changedAt = Date.parse(data.StateChangeTime.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
  if (Number.isNaN(changedAt)) return null;
  const own = data.Trigger?.Dimensions ?? [];
  const ofMetrics = data.Trigger?.Metrics?.flatMap(
    ({ MetricStat }) => MetricStat?.Metric.Dimensions ?? [],
  );
  return {
    source: 'cloudwatch',
    name: data.AlarmName,
    arn: data.AlarmArn ?? '',
    accountId: data.AWSAccountId,
    region: topic.region,
    state: data.NewStateValue,
    stateChangedAt: new Date(changedAt).toISOString(),
    reason: data.NewStateReason.slice(0, MAX_REASON),
    dimensions: mergeDimensions([...own, ...(ofMetrics ?? [])]),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
