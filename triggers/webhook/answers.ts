import { z } from 'zod';

import type { DeliveryCode } from './delivery';

/** Codes of requests that never became a delivery. */
export type RequestCode =
  'badRequest' | 'notFound' | 'tooLarge' | 'unsupportedMediaType' | 'rateLimited' | 'internal';
/** What any POST can meet. */
export const REQUEST_CODES = [
  'badRequest',
  'tooLarge',
  'unsupportedMediaType',
  'rateLimited',
] as const satisfies readonly RequestCode[];
export type AnswerCode = DeliveryCode | RequestCode;

/**
 * The HTTP status of each end. All senders repeat a delivery after 5xx. SNS repeats a delivery after 429 and 5xx and gives it up after other 4xx, so what
 * may pass with time is 429 or 503, and no input alone can make a 5xx.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
 */
export const STATUS_OF: Record<AnswerCode, number> = {
  started: 200,
  duplicate: 200,
  replayed: 200,
  batch: 200,
  subscriptionConfirmed: 200,
  unsubscribed: 200,
  notInAlarm: 200,
  noRoute: 200,

  malformed: 400,
  badRequest: 400,
  signatureVersionNotAllowed: 400,
  unauthenticated: 401,
  topicNotAllowed: 403,
  regionNotAllowed: 403,
  timestampOutOfRange: 403,
  certificateUrlNotAllowed: 403,
  certificateUnknown: 403,
  signatureInvalid: 403,
  notFound: 404,
  tooLarge: 413,
  unsupportedMediaType: 415,
  notAnAlarm: 422,
  alarmUnknown: 422,
  alarmDiffers: 422,
  subscriptionRefused: 422,

  certificateBusy: 429,
  rateLimited: 429,
  internal: 500,
  certificateUnavailable: 503,
  awsUnreachable: 503,
  alertmanagerUnreachable: 503,
  temporalUnreachable: 503,
};

/** The body of every answer to a POST. */
export const answerBody = z.strictObject({
  code: z.string().describe('Stable; what the answer means'),
  detail: z.string().optional(),
  counts: z
    .record(z.string(), z.int().min(1))
    .optional()
    .describe('Of a batch: alarms by how they ended'),
});
export type AnswerBody = z.infer<typeof answerBody>;

/** Seconds; for every answer that asks to be tried again. */
export const RETRY_AFTER_S = 20;
export const asksForRetry = (status: number): boolean => status === 429 || status >= 500;

/** The code of an error that Fastify or a plugin raised before the handler. */
export function codeOfHttpError(status: number): RequestCode {
  switch (status) {
    case 404:
      return 'notFound';
    case 413:
      return 'tooLarge';
    case 415:
      return 'unsupportedMediaType';
    case 429:
      return 'rateLimited';
    default:
      return status >= 400 && status < 500 ? 'badRequest' : 'internal';
  }
}
