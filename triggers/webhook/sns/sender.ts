import type { AlarmSource } from '../../../domain/alarm/source';
import { checkAtCloudWatch } from '../cloudwatch';
import { takeAlarm, takeOnce, type Delivery, type DeliveryDeps } from '../delivery';
import type { Sender } from '../sender';
import { parseAlarmMessage } from './alarm-message';
import { SNS_DESCRIPTION } from './description';
import type { SnsConfirmation, SnsNotification } from './message';
import type { AllowedTopic, SnsVerifier } from './verifier';

export interface SnsSenderDeps extends DeliveryDeps {
  verifier: SnsVerifier;
  alarms: AlarmSource;
}

/** CloudWatch alarms by SNS over HTTPS. SNS says `text/plain` and signs what it sent. */
export function createSnsSender(deps: SnsSenderDeps): Sender {
  return {
    name: 'sns',
    contentTypes: ['text/plain', 'application/json'],
    description: SNS_DESCRIPTION,
    async receive(raw) {
      const verified = await deps.verifier.verify(raw);
      if (!verified.ok) return { code: verified.problem };
      const { message, topic } = verified;
      const delivery = await takeOnce(deps.memory, `sns:${message.MessageId}`, () =>
        message.Type === 'Notification'
          ? takeNotification(deps, message, topic)
          : takeConfirmation(deps, message),
      );
      return { ...delivery, messageId: message.MessageId };
    },
  };
}

/** `SubscribeURL` is never fetched: the API call goes to AWS itself, under our own credentials. */
async function takeConfirmation(deps: SnsSenderDeps, message: SnsConfirmation): Promise<Delivery> {
  if (message.Type === 'UnsubscribeConfirmation') return { code: 'unsubscribed' };
  try {
    const answer = await deps.alarms.confirmSubscription(message.TopicArn, message.Token);
    return { code: answer === 'confirmed' ? 'subscriptionConfirmed' : 'subscriptionRefused' };
  } catch (error) {
    deps.onFailure('confirm subscription', error);
    return { code: 'awsUnreachable' };
  }
}

/** Who may publish to the topic may say anything, so CloudWatch is asked. */
async function takeNotification(
  deps: SnsSenderDeps,
  message: SnsNotification,
  topic: AllowedTopic,
): Promise<Delivery> {
  const claimed = parseAlarmMessage(message.Message, topic);
  return claimed === null
    ? { code: 'notAnAlarm' }
    : takeAlarm(deps, claimed, checkAtCloudWatch(deps));
}
