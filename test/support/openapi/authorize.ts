import type { KeyObject } from 'node:crypto';
import { randomUUID } from 'node:crypto';

import { alertmanagerHeaders, eventBridgeHeaders, webhookHeaders } from '../senders';
import { signed, type SnsFields } from '../sns';
import type { Authorize } from './requests';

/** Of every sender; the topic is the allowed one where the body is to be taken. */
export function createAuthorize(sns: { key: KeyObject; url: string; topicArn: string }): Authorize {
  return (path, value, text) => {
    const body = text ?? JSON.stringify(path === '/alarms/eventbridge' ? renewed(value) : value);
    switch (path) {
      case '/alarms/eventbridge':
        return { body, headers: eventBridgeHeaders() };
      case '/alarms/alertmanager':
        return { body, headers: alertmanagerHeaders() };
      case '/alarms/webhook':
        return { body, headers: webhookHeaders(body) };
      default:
        return {
          body: text ?? JSON.stringify(signBody(value, sns)),
          headers: { 'content-type': 'text/plain; charset=UTF-8' },
        };
    }
  };
}

/** Placeholders of an example become true; what was edited stays as it is, under a true signature. */
function signBody(value: unknown, sns: { key: KeyObject; url: string; topicArn: string }): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const fields: SnsFields = { ...value };
  const fresh: SnsFields = {
    ...fields,
    ...('MessageId' in fields && { MessageId: randomUUID() }),
    ...('TopicArn' in fields && { TopicArn: sns.topicArn }),
    ...('Timestamp' in fields && { Timestamp: new Date().toISOString() }),
  };
  try {
    return signed(fresh, sns);
  } catch {
    // An object without a text, where one is to be signed.
    return fresh;
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An event of its own, or it would count as replayed. */
function renewed(event: unknown): unknown {
  if (typeof event !== 'object' || event === null || !('id' in event)) return event;
  return typeof event.id === 'string' && UUID.test(event.id)
    ? { ...event, id: randomUUID() }
    : event;
}
