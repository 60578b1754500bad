import { z } from 'zod';

import type { SenderDescription } from '../sender';
import { alarmPayload } from './payload';

const alarm = (type: string) => ({
  type,
  timestamp: '2026-11-24T12:00:00.123Z',
  data: {
    name: 'scanner/OpenTelnet',
    reason: 'port 23 answers',
    dimensions: { ThingName: 'pump-7' },
  },
});

export const STANDARD_WEBHOOKS_DESCRIPTION: SenderDescription = {
  summary: 'An alarm of any tool that signs after Standard Webhooks',
  text: 'Signed with HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`. Nothing can read it again, so only routes with `verify: sender` take it.',
  body: alarmPayload,
  security: {
    webhookSignature: {
      type: 'apiKey',
      in: 'header',
      name: 'webhook-signature',
      description: '`v1,` and the signature in base64; several are parted by spaces.',
    },
  },
  headers: [
    {
      name: 'webhook-id',
      description: 'The same for each attempt to deliver one message.',
      schema: z.string().regex(/^[A-Za-z0-9_:-]{1,128}$/),
    },
    {
      name: 'webhook-timestamp',
      description: 'Of the attempt, as Unix time in seconds; taken within 5 minutes.',
      schema: z.string().regex(/^\d{1,12}$/),
    },
  ],
  examples: {
    firing: {
      summary: 'An alarm that fires',
      value: alarm('alarm.firing'),
      code: 'started',
    },
    resolved: {
      summary: 'An alarm that has cleared',
      value: alarm('alarm.resolved'),
      code: 'notInAlarm',
    },
    withoutRoute: {
      summary: 'An alarm that no route takes',
      value: {
        type: 'alarm.firing',
        timestamp: '2026-11-24T12:00:00Z',
        data: { name: 'lunch', dimensions: {} },
      },
      code: 'noRoute',
    },
    otherType: {
      summary: 'A message of another type',
      value: { ...alarm('alarm.firing'), type: 'invoice.paid' },
      code: 'notAnAlarm',
    },
  },
  codes: [
    'started',
    'duplicate',
    'replayed',
    'notInAlarm',
    'noRoute',
    'unauthenticated',
    'timestampOutOfRange',
    'signatureInvalid',
    'malformed',
    'notAnAlarm',
    'temporalUnreachable',
  ],
};
