import type { AlarmSource } from '../../../domain/alarm/source';
import { checkAtCloudWatch } from '../cloudwatch';
import { createKeyCheck } from '../credentials';
import { takeAlarm, takeOnce, type DeliveryDeps } from '../delivery';
import { parseJsonBody } from '../json-body';
import type { Sender } from '../sender';
import { EVENTBRIDGE_DESCRIPTION } from './description';
import { alarmEvent, toAlarm } from './event';

export interface EventBridgeSenderDeps extends DeliveryDeps {
  /** Any of them is good. */
  apiKeys: readonly string[];
  /** Regions whose CloudWatch may be asked. */
  regions: readonly string[];
  alarms: AlarmSource;
}

/**
 * CloudWatch alarms by an EventBridge API destination, which does not sign: its connection's API key says who it is.
 * It waits 5 s for an answer and repeats after 409, 429, 5xx and time-outs, for 24 hours by default.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
 */
export function createEventBridgeSender(deps: EventBridgeSenderDeps): Sender {
  const isKey = createKeyCheck(deps.apiKeys);
  return {
    name: 'eventbridge',
    contentTypes: ['application/json'],
    description: EVENTBRIDGE_DESCRIPTION,
    refuse({ 'x-api-key': key }) {
      return typeof key === 'string' && isKey(key) ? null : 'unauthenticated';
    },
    async receive(raw) {
      const body = parseJsonBody(raw);
      if (body === undefined) return { code: 'malformed' };
      const event = alarmEvent.safeParse(body);
      const claimed = event.success ? toAlarm(event.data) : null;
      if (!event.success || claimed === null) return { code: 'notAnAlarm' };
      const messageId = event.data.id;
      if (!deps.regions.includes(claimed.region)) return { code: 'regionNotAllowed', messageId };
      const check = checkAtCloudWatch(deps);
      const delivery = await takeOnce(deps.memory, `eventbridge:${messageId}`, () =>
        takeAlarm(deps, claimed, check),
      );
      return { ...delivery, messageId };
    },
  };
}
