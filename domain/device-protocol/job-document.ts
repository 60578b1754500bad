import { z } from 'zod';

/**
 * Job documents: what the cloud may ask of a device. An enumerated set, no shell; unknown operations and
 * extra fields are REJECTED by the agent. AWS's limit on a document is 32,768 characters.
 */
const subject = {
  version: z.literal(1),
  /** Workflow id that asked, for the device's journal. */
  requestedBy: z.string().min(1).max(256),
};

export const containDocument = z.strictObject({
  ...subject,
  operation: z.literal('contain'),
  reason: z.string().max(512),
});
export const resumeDocument = z.strictObject({ ...subject, operation: z.literal('resume') });
/** Publish one telemetry message carrying `nonce` on the normal telemetry topic, and say what the broker answered. */
export const probeDocument = z.strictObject({
  ...subject,
  operation: z.literal('probe'),
  nonce: z.string().regex(/^[a-zA-Z0-9-]{8,64}$/),
});
export const diagnosticsDocument = z.strictObject({
  ...subject,
  operation: z.literal('diagnostics'),
  verb: z.enum(['status']),
});

export const jobDocument = z.discriminatedUnion('operation', [
  containDocument,
  resumeDocument,
  probeDocument,
  diagnosticsDocument,
]);
export type JobDocument = z.infer<typeof jobDocument>;
export type JobOperation = JobDocument['operation'];

/**
 * `statusDetails.probe` of a finished probe job. `disconnected` is MQTT 3.1.1's refusal: the broker closed the
 * connection in answer. `unanswered` proves nothing.
 */
export const PROBE_OUTCOMES = ['accepted', 'refused', 'disconnected', 'unanswered'] as const;
export type ProbeOutcome = (typeof PROBE_OUTCOMES)[number];
