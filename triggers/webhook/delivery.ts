import { isDeepStrictEqual } from 'node:util';

import type { AlarmIntakeInput, AlarmRoute, Alarm } from '../../domain/alarm/types';
import { routeAlarm } from '../../domain/alarm/route';
import type { QuarantineRunbook } from '../../domain/runbook';
import type { IntakeResult } from './intake';
import type { MessageMemory } from './message-memory';
import type { VerificationProblem } from './sns/verifier';

/** How a delivery ended; its key is the stable code that callers, logs and metrics see. */
export type DeliveryCode =
  | VerificationProblem
  /** No credential, or a wrong one. */
  | 'unauthenticated'
  /** Temporal has accepted the intake, now or on an earlier delivery. */
  | 'started'
  | 'duplicate'
  /** This very message was accepted before. */
  | 'replayed'
  /** Several alarms, none of which need come again; `counts` says how each ended. */
  | 'batch'
  | 'subscriptionConfirmed'
  | 'unsubscribed'
  /** True, and rightly starts nothing. */
  | 'notInAlarm'
  | 'noRoute'
  /** From an allowed sender, but not what the source says. */
  | 'notAnAlarm'
  | 'regionNotAllowed'
  | 'alarmUnknown'
  | 'alarmDiffers'
  | 'subscriptionRefused'
  | 'awsUnreachable'
  | 'alertmanagerUnreachable'
  | 'temporalUnreachable';

export interface Delivery {
  code: DeliveryCode;
  detail?: string;
  /** Of a batch: alarms by how they ended. */
  counts?: Partial<Record<DeliveryCode, number>>;
  /** Only of verified messages. */
  messageId?: string;
}

export interface DeliveryDeps {
  runbooks: readonly QuarantineRunbook[];
  startIntake(input: AlarmIntakeInput): Promise<IntakeResult>;
  memory: MessageMemory;
  /** Told of failures of what is asked on the way, which the caller only learns as "try again". */
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

/** Takes a message once; one that did not settle may come again. `id` is unique over all senders. */
export async function takeOnce(
  memory: MessageMemory,
  id: string,
  take: () => Promise<Delivery>,
): Promise<Delivery> {
  if (memory.has(id)) return { code: 'replayed' };
  const delivery = await take();
  if (SETTLED.has(delivery.code)) memory.remember(id);
  return delivery;
}

/** Where an alarm is read again; how that ended, where it was not borne out. */
export type SourceCheck = (claimed: Alarm) => Promise<Alarm | Delivery>;

/**
 * From what a verified sender claims to an intake that Temporal has accepted. Verified is not true: `check` asks the
 * source, and what it says must lead the same way as the claim did.
 */
export async function takeAlarm(
  deps: Pick<DeliveryDeps, 'runbooks' | 'startIntake' | 'onFailure'>,
  claimed: Alarm,
  check: SourceCheck,
): Promise<Delivery> {
  if (claimed.state !== 'ALARM') return { code: 'notInAlarm', detail: 'the message says so' };
  const route = routeAlarm(claimed, deps.runbooks);
  if ('none' in route) return { code: 'noRoute', detail: route.none };
  const alarm = await check(claimed);
  if ('code' in alarm) return alarm;
  if (alarm.state !== 'ALARM')
    return { code: 'notInAlarm', detail: 'it has left that state since' };
  if (!leadsTo(alarm, route, deps.runbooks)) return { code: 'alarmDiffers' };
  try {
    return { code: await deps.startIntake({ alarm, route }) };
  } catch (error) {
    deps.onFailure('start intake', error);
    return { code: 'temporalUnreachable' };
  }
}

const leadsTo = (
  alarm: Alarm,
  route: AlarmRoute,
  runbooks: readonly QuarantineRunbook[],
): boolean => isDeepStrictEqual(route, routeAlarm(alarm, runbooks));
