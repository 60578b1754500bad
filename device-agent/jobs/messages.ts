import { z } from 'zod';

/**
 * What AWS answers on the Jobs topics. Extra members are let through: AWS adds some from time to time.
 * https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html
 */
const summary = z.object({
  jobId: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
  /** Seconds since 1970. */
  queuedAt: z.number(),
  executionNumber: z.int(),
  versionNumber: z.int(),
});
export type JobSummary = z.infer<typeof summary>;

export const pendingReply = z.object({
  inProgressJobs: z.array(summary).max(100).default([]),
  queuedJobs: z.array(summary).max(100).default([]),
});

const execution = summary.extend({
  status: z.string(),
  /** Left unparsed: what the cloud asks is judged by parseJobDocument, and refused with a reason. */
  jobDocument: z.unknown().optional(),
});
export type JobExecution = z.infer<typeof execution>;

export const describeReply = z.object({ execution: execution.optional() });

export const updateReply = z.object({
  executionState: z.object({ status: z.string(), versionNumber: z.int() }).optional(),
});

export const rejection = z.object({
  code: z.string(),
  message: z.string().default(''),
});

export const withClientToken = z.object({ clientToken: z.string() });

export interface JobUpdate {
  status: 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'REJECTED';
  statusDetails: Record<string, string>;
  expectedVersion: number;
  executionNumber: number;
}
