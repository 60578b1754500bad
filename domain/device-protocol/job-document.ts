import { z } from 'zod';
import { TARGET_NAME } from './release-target';

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
/**
 * Install a signed target of the update repository that the device itself is configured with: a job names it and
 * nothing else, so that a hostile job can't point the device anywhere.
 */
export const installDocument = z.strictObject({
  ...subject,
  operation: z.literal('install'),
  target: z.string().max(256).regex(TARGET_NAME, 'must be a target path such as pump/1.4.0.tar'),
});

/** One part of a diagnostics bundle. No shell, no pattern, no path but below a root of the device's own list. */
const collectItem = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('system') }),
  z.strictObject({ kind: z.literal('processes') }),
  z.strictObject({ kind: z.literal('connections') }),
  /** SHA-256 of every file below an allow-listed root, by that root's name in the device's configuration. */
  z.strictObject({ kind: z.literal('hashes'), root: z.string().regex(/^[a-z0-9-]{1,32}$/) }),
  z.strictObject({
    kind: z.literal('applicationLog'),
    /** The newest so many bytes. */
    maxBytes: z.int().min(1).max(10_485_760).default(1_048_576),
  }),
  z.strictObject({ kind: z.literal('journal') }),
  z.strictObject({ kind: z.literal('slots') }),
]);
export type CollectItem = z.infer<typeof collectItem>;

const diagnostics = { ...subject, operation: z.literal('diagnostics') };
export const diagnosticsDocument = z.discriminatedUnion('verb', [
  z.strictObject({ ...diagnostics, verb: z.literal('status') }),
  z.strictObject({
    ...diagnostics,
    verb: z.literal('collect'),
    items: z.array(collectItem).min(1).max(16),
    /** Minted into the document by Jobs when the device fetches it: `${aws:iot:s3-presigned-url-upload:…}`. */
    uploadUrl: z
      .url({
        protocol: /^https?$/,
        error: 'must be the URL that Jobs mints; is the placeholder right?',
      })
      .max(4_096),
  }),
  z.strictObject({
    ...diagnostics,
    verb: z.literal('logLevel'),
    level: z.enum(['debug', 'info', 'warn']),
    /** Then the configured level returns, after a restart of the agent, too. */
    forSeconds: z.int().min(1).max(86_400),
  }),
]);

export const jobDocument = z.discriminatedUnion('operation', [
  containDocument,
  resumeDocument,
  probeDocument,
  installDocument,
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
