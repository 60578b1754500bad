import { z } from 'zod';
import type { ContainmentRecord } from './types';

const certificate = z.strictObject({
  id: z.string(),
  arn: z.string(),
  status: z.string(),
  policies: z.array(z.string()),
  things: z.array(z.string()),
});

const snapshot = z.strictObject({
  thing: z.string(),
  takenAt: z.string(),
  alreadyContained: z.boolean(),
  escalated: z.boolean(),
  groups: z.array(z.string()),
  certificates: z.array(certificate),
  logLevel: z.string().nullable(),
  connection: z.strictObject({ connected: z.boolean(), connectedSince: z.number().nullable() }),
  affectedThings: z.array(z.string()),
  detach: z.array(z.strictObject({ certificateArn: z.string(), policy: z.string() })),
  findings: z.array(z.string()),
  obstacles: z.array(z.string()),
});

export const containmentRecord: z.ZodType<ContainmentRecord> = z.strictObject({
  version: z.literal(1),
  workflowId: z.string(),
  by: z.string(),
  reason: z.string(),
  at: z.string(),
  breakGlass: z.boolean(),
  debugUntil: z.string(),
  snapshot,
});
