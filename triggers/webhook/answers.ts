import type { DeliveryCode } from './delivery';

/** Codes of requests that never became a delivery. */
export type RequestCode =
  'badRequest' | 'notFound' | 'tooLarge' | 'unsupportedMediaType' | 'rateLimited' | 'internal';
export type AnswerCode = DeliveryCode | RequestCode;

/**
 * The HTTP status of each end. SNS repeats a delivery after 429 and 5xx and gives it up after other 4xx, so what
 * may pass with time is 429 or 503, and no input alone can make a 5xx.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
 */
export const STATUS_OF: Record<AnswerCode, number> = {
  started: 200,
  duplicate: 200,
  replayed: 200,
  subscriptionConfirmed: 200,
  unsubscribed: 200,
  notInAlarm: 200,
  noRoute: 200,

  malformed: 400,
  badRequest: 400,
  signatureVersionNotAllowed: 400,
  topicNotAllowed: 403,
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
  temporalUnreachable: 503,
};

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
