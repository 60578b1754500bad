import { z } from 'zod';

import { mergeDimensions } from '../../../domain/alarm/dimensions';
import type { Alarm } from '../../../domain/alarm/types';
import { accountId, alarmArn, alarmName, alarmState } from '../cloudwatch';
import { instant } from '../instant';

const MAX_REASON = 1023;

/** EventBridge writes dimensions as a map. */
const metric = z.object({
  metricStat: z
    .object({
      metric: z.object({
        dimensions: z.record(z.string().max(255), z.string().max(1024)).optional(),
      }),
    })
    .optional(),
});

/**
 * The part of the event that is used; the rest is read at CloudWatch itself.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
 */
export const alarmEvent = z.object({
  id: z.string().regex(/^[A-Za-z0-9-]{1,100}$/),
  'detail-type': z.literal('CloudWatch Alarm State Change'),
  source: z.literal('aws.cloudwatch'),
  account: accountId,
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/),
  resources: z.tuple([alarmArn]).describe('The ARN of the alarm'),
  detail: z.object({
    alarmName,
    state: z.object({
      value: alarmState,
      reason: z.string().optional(),
      timestamp: z.string().max(64).describe('With the offset as +0000, as CloudWatch writes it'),
    }),
    configuration: z.object({ metrics: z.array(metric).max(500).optional() }).optional(),
  }),
});
export type AlarmEvent = z.infer<typeof alarmEvent>;

/** What the event claims; null where its time is none. */
export function toAlarm({ account, region, resources, detail }: AlarmEvent): Alarm | null {
  const { state, configuration } = detail;
  const changed = instant.safeParse(state.timestamp.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
  if (!changed.success) return null;
  const dimensions = configuration?.metrics?.flatMap(({ metricStat }) =>
    Object.entries(metricStat?.metric.dimensions ?? {}),
  );
  return {
    source: 'cloudwatch',
    name: detail.alarmName,
    arn: resources[0],
    accountId: account,
    region,
    state: state.value,
    stateChangedAt: changed.data,
    reason: (state.reason ?? '').slice(0, MAX_REASON),
    dimensions: mergeDimensions((dimensions ?? []).map(([name, value]) => ({ name, value }))),
  };
}
