import { z } from 'zod';

/** AWS's limits: alarm name 255, 30 dimensions of 255 and 1,024 characters. Account and region: of CloudWatch's alarms only. */
export const alarmSchema = z
  .strictObject({
    source: z.enum(['cloudwatch', 'alertmanager', 'webhook']),
    name: z.string().min(1).max(255),
    arn: z.string().min(1).max(1600),
    accountId: z.string().regex(/^(\d{12})?$/),
    region: z.string().max(32),
    state: z.enum(['ALARM', 'OK', 'INSUFFICIENT_DATA']),
    stateChangedAt: z.iso.datetime(),
    reason: z.string().max(1023),
    dimensions: z
      .record(z.string().min(1).max(255), z.string().min(1).max(1024))
      .refine((dimensions) => Object.keys(dimensions).length <= 30, 'has more than 30 dimensions'),
    unverified: z.literal(true).optional(),
  })
  .refine(({ source, accountId }) => (source === 'cloudwatch') === (accountId !== ''), {
    path: ['accountId'],
    error: 'must be 12 digits for an alarm of CloudWatch, and empty for others',
  })
  .refine(({ source, region }) => (source === 'cloudwatch') === (region !== ''), {
    path: ['region'],
    error: 'must be named for an alarm of CloudWatch, and empty for others',
  });
