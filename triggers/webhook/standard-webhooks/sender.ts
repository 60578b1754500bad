import { takeAlarm, takeOnce, type DeliveryDeps } from '../delivery';
import { parseJsonBody } from '../json-body';
import type { Sender } from '../sender';
import { STANDARD_WEBHOOKS_DESCRIPTION } from './description';
import { alarmPayload, toAlarm } from './payload';
import { isInTime, isSigned, readHeaders } from './signature';

export interface StandardWebhooksSenderDeps extends DeliveryDeps {
  /** Any of them is good. */
  secrets: readonly Uint8Array[];
  now?: () => number;
}

/** Alarms of any other tool, signed after Standard Webhooks. Only routes with `verify: sender` take them. */
export function createStandardWebhooksSender(deps: StandardWebhooksSenderDeps): Sender {
  const now = deps.now ?? Date.now;
  return {
    name: 'webhook',
    contentTypes: ['application/json'],
    description: STANDARD_WEBHOOKS_DESCRIPTION,
    refuse(headers) {
      const signed = readHeaders(headers);
      if (signed === null) return 'unauthenticated';
      return isInTime(signed, now()) ? null : 'timestampOutOfRange';
    },
    async receive(raw, headers) {
      const signed = readHeaders(headers);
      if (signed === null) return { code: 'unauthenticated' };
      if (!isSigned(signed, raw, deps.secrets)) return { code: 'signatureInvalid' };
      const { id: messageId } = signed;
      const body = parseJsonBody(raw);
      if (body === undefined) return { code: 'malformed', messageId };
      const parsed = alarmPayload.safeParse(body);
      if (!parsed.success) return { code: 'notAnAlarm', messageId };
      const delivery = await takeOnce(deps.memory, `webhook:${messageId}`, () =>
        takeAlarm(deps, toAlarm(parsed.data), (claimed) => Promise.resolve(claimed)),
      );
      return { ...delivery, messageId };
    },
  };
}
