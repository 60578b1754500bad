import { createHash } from 'node:crypto';

import { z } from 'zod';

import type { Alarm } from '../../../domain/alarm/types';
import { instant } from '../instant';

const MAX_DIMENSIONS = 30;

/** The one payload that is ours to define, in the form that Standard Webhooks recommends. */
export const alarmPayload = z.strictObject({
  type: z.enum(['alarm.firing', 'alarm.resolved']),
  timestamp: instant.describe(
    'When the state changed. The same alarm with the same time is the same event, however often it is sent.',
  ),
  data: z.strictObject({
    name: z.string().min(1).max(255).describe('What a route is chosen by'),
    reason: z.string().max(1023).default(''),
    dimensions: z
      .record(z.string().min(1).max(255), z.string().min(1).max(1024))
      .refine((all) => Object.keys(all).length <= MAX_DIMENSIONS)
      .meta({ maxProperties: MAX_DIMENSIONS })
      .describe('What it is about, such as ThingName'),
  }),
});

/** There is nowhere to read it again. */
export function toAlarm({ type, timestamp, data }: z.infer<typeof alarmPayload>): Alarm {
  const { name, reason, dimensions } = data;
  const sorted = Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash('sha256')
    .update(JSON.stringify([name, sorted]))
    .digest('hex');
  return {
    source: 'webhook',
    name,
    arn: `webhook:${hash}`,
    accountId: '',
    region: '',
    state: type === 'alarm.firing' ? 'ALARM' : 'OK',
    stateChangedAt: timestamp,
    reason,
    dimensions,
    unverified: true,
  };
}
