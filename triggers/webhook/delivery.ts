import { isDeepStrictEqual } from 'node:util';

import type { AlarmIntakeInput, AlarmRoute, Alarm } from '../../domain/alarm/types';
import { routeAlarm } from '../../domain/alarm/route';
import type { AlarmSource } from '../../domain/alarm/source';
import type { QuarantineRunbook } from '../../domain/runbook';
import { parseAlarmMessage } from './cloudwatch-message';
import type { IntakeResult } from './intake';
import type { MessageMemory } from './message-memory';
import type { SnsConfirmation, SnsNotification } from './sns-message';
import type { AllowedTopic, SnsVerifier, VerificationProblem } from './sns-verifier';

/** How a delivery ended; its key is the stable code that callers, logs and metrics see. */
export type DeliveryCode =
  | VerificationProblem
  /** Temporal has accepted the intake, now or on an earlier delivery. */
  | 'started'
  | 'duplicate'
  /** This very message was accepted before. */
  | 'replayed'
  | 'subscriptionConfirmed'
  | 'unsubscribed'
  /** True, and rightly starts nothing. */
  | 'notInAlarm'
  | 'noRoute'
  /** Signed, but not what CloudWatch says. */
  | 'notAnAlarm'
  | 'alarmUnknown'
  | 'alarmDiffers'
  | 'subscriptionRefused'
  | 'awsUnreachable'
  | 'temporalUnreachable';

export interface Delivery {
  code: DeliveryCode;
  detail?: string;
  /** Only of verified messages. */
  messageId?: string;
}

export interface DeliveryDeps {
  verifier: SnsVerifier;
  alarms: AlarmSource;
  runbooks: readonly QuarantineRunbook[];
  startIntake(input: AlarmIntakeInput): Promise<IntakeResult>;
  memory: MessageMemory;
  /** Told of failures of AWS and Temporal, which the caller only learns as "try again". */
  onFailure(action: string, error: unknown): void;
}

/** Answers after which the message need not come again. */
const SETTLED = new Set<DeliveryCode>([
  'started',
  'duplicate',
  'subscriptionConfirmed',
  'unsubscribed',
  'notInAlarm',
  'noRoute',
]);

/** Takes the raw body of one POST through verification to its effect. Never throws. */
export function createDeliveryHandler(deps: DeliveryDeps): (raw: Uint8Array) => Promise<Delivery> {
  return async (raw) => {
    const verified = await deps.verifier.verify(raw);
    if (!verified.ok) return { code: verified.problem };
    const { message, topic } = verified;
    const { MessageId: messageId } = message;
    if (deps.memory.has(messageId)) return { code: 'replayed', messageId };
    const delivery =
      message.Type === 'Notification'
        ? await takeNotification(deps, message, topic)
        : await takeConfirmation(deps, message);
    if (SETTLED.has(delivery.code)) deps.memory.remember(messageId);
    return { ...delivery, messageId };
  };
}

/** `SubscribeURL` is never fetched: the API call goes to AWS itself, under our own credentials. */
async function takeConfirmation(deps: DeliveryDeps, message: SnsConfirmation): Promise<Delivery> {
  if (message.Type === 'UnsubscribeConfirmation') return { code: 'unsubscribed' };
  try {
    const answer = await deps.alarms.confirmSubscription(message.TopicArn, message.Token);
    return { code: answer === 'confirmed' ? 'subscriptionConfirmed' : 'subscriptionRefused' };
  } catch (error) {
    deps.onFailure('confirm subscription', error);
    return { code: 'awsUnreachable' };
  }
}

async function takeNotification(
  deps: DeliveryDeps,
  message: SnsNotification,
  topic: AllowedTopic,
): Promise<Delivery> {
  const claimed = parseAlarmMessage(message.Message, topic);
  if (claimed === null) return { code: 'notAnAlarm' };
  if (claimed.state !== 'ALARM') return { code: 'notInAlarm', detail: 'the message says so' };
  const route = routeAlarm(claimed, deps.runbooks);
  if ('none' in route) return { code: 'noRoute', detail: route.none };
  const checked = await checkAtSource(deps, claimed, route);
  if ('code' in checked) return checked;
  try {
    return { code: await deps.startIntake({ alarm: checked, route }) };
  } catch (error) {
    deps.onFailure('start intake', error);
    return { code: 'temporalUnreachable' };
  }
}

/** Signed is not true: who may publish to the topic may say anything, so CloudWatch is asked. */
async function checkAtSource(
  deps: DeliveryDeps,
  claimed: Alarm,
  route: AlarmRoute,
): Promise<Alarm | Delivery> {
  let alarm: Alarm | null;
  try {
    alarm = await deps.alarms.readAlarm(claimed.name, claimed.region);
  } catch (error) {
    deps.onFailure('read alarm', error);
    return { code: 'awsUnreachable' };
  }
  if (alarm === null) return { code: 'alarmUnknown' };
  if (alarm.state !== 'ALARM')
    return { code: 'notInAlarm', detail: 'it has left that state since' };
  const sameArn = claimed.arn === '' || claimed.arn === alarm.arn;
  return sameArn && isDeepStrictEqual(route, routeAlarm(alarm, deps.runbooks))
    ? alarm
    : { code: 'alarmDiffers' };
}
