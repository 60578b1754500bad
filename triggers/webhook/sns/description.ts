import { CHECK_CODES } from '../cloudwatch';
import type { SenderDescription } from '../sender';
import { snsMessage } from './message';

const placeholders = {
  MessageId: '165545c9-2a5c-472c-8df2-7ff2be2b3b1b',
  TopicArn: 'arn:aws:sns:eu-west-1:123456789012:iot-runbooks-alarms',
  Timestamp: '2026-11-24T12:00:01.000Z',
  SignatureVersion: '2',
  Signature: 'UExBQ0VIT0xERVI=',
  SigningCertURL:
    'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem',
};
const alarm = (state: string) =>
  JSON.stringify({
    AlarmName: 'iot-runbooks/RefusedPublishes/pump-7',
    AWSAccountId: '000000000000',
    NewStateValue: state,
    NewStateReason: 'Threshold Crossed',
    StateChangeTime: '2026-11-24T12:00:00.123+0000',
    Trigger: { Dimensions: [{ name: 'ThingName', value: 'pump-7' }] },
  });

export const SNS_DESCRIPTION: SenderDescription = {
  summary: 'A message of an SNS topic',
  text: 'Signed by SNS with signature version 2, of an allowed topic, at most an hour old. The alarm is read again at CloudWatch. A subscription is confirmed by the API; its SubscribeURL is never fetched.',
  body: snsMessage,
  // The signature is part of the body.
  security: {},
  examples: {
    alarm: {
      summary: 'An alarm that is in ALARM at CloudWatch',
      value: { Type: 'Notification', ...placeholders, Message: alarm('ALARM') },
      code: 'started',
    },
    ok: {
      summary: 'An alarm that has gone back to OK',
      value: { Type: 'Notification', ...placeholders, Message: alarm('OK') },
      code: 'notInAlarm',
    },
    text: {
      summary: 'A message that is no alarm',
      value: { Type: 'Notification', ...placeholders, Message: 'hello' },
      code: 'notAnAlarm',
    },
    subscription: {
      summary: 'The confirmation of a new subscription',
      value: {
        Type: 'SubscriptionConfirmation',
        ...placeholders,
        Message: 'You have chosen to subscribe to the topic.',
        Token: 'token-1',
        SubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription',
      },
      code: 'subscriptionConfirmed',
    },
  },
  codes: [
    'started',
    'duplicate',
    'replayed',
    'subscriptionConfirmed',
    'unsubscribed',
    'notInAlarm',
    'noRoute',
    'malformed',
    'signatureVersionNotAllowed',
    'topicNotAllowed',
    'timestampOutOfRange',
    'certificateUrlNotAllowed',
    'certificateUnknown',
    'certificateUnavailable',
    'certificateBusy',
    'signatureInvalid',
    'notAnAlarm',
    'subscriptionRefused',
    ...CHECK_CODES,
    'temporalUnreachable',
  ],
};
