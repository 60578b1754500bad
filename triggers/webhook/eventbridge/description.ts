import { CHECK_CODES } from '../cloudwatch';
import type { SenderDescription } from '../sender';
import { alarmEvent } from './event';

/** After CloudWatch's own example. */
const event = (value: string) => ({
  version: '0',
  id: 'c4c1c1c9-6542-e61b-6ef0-8c4d36933a92',
  'detail-type': 'CloudWatch Alarm State Change',
  source: 'aws.cloudwatch',
  account: '000000000000',
  time: '2026-11-24T12:00:01Z',
  region: 'eu-west-1',
  resources: [
    'arn:aws:cloudwatch:eu-west-1:000000000000:alarm:iot-runbooks/RefusedPublishes/pump-7',
  ],
  detail: {
    alarmName: 'iot-runbooks/RefusedPublishes/pump-7',
    configuration: {
      metrics: [
        {
          id: '30b6c6b2-a864-43a2-4877-c09a1afc3b87',
          metricStat: {
            metric: {
              dimensions: { ThingName: 'pump-7' },
              name: 'RefusedPublishes',
              namespace: 'IotRunbooks/Device',
            },
            period: 60,
            stat: 'Sum',
          },
          returnData: true,
        },
      ],
    },
    previousState: { value: 'OK', timestamp: '2026-11-24T11:00:00.000+0000' },
    state: {
      value,
      reason: 'Threshold Crossed',
      timestamp: '2026-11-24T12:00:00.123+0000',
    },
  },
});

export const EVENTBRIDGE_DESCRIPTION: SenderDescription = {
  summary: 'A CloudWatch alarm by an EventBridge API destination',
  text: 'The event as EventBridge has it, without an input transformer. The alarm is read again at CloudWatch; the same change of state by SNS is the same alarm event.',
  body: alarmEvent,
  security: {
    eventbridgeApiKey: {
      type: 'apiKey',
      in: 'header',
      name: 'x-api-key',
      description: 'The API key of the connection.',
    },
  },
  examples: {
    alarm: {
      summary: 'An alarm that is in ALARM at CloudWatch',
      value: event('ALARM'),
      code: 'started',
    },
    ok: {
      summary: 'An alarm that has gone back to OK',
      value: event('OK'),
      code: 'notInAlarm',
    },
    otherRegion: {
      summary: 'An alarm of a region that is not allowed',
      value: { ...event('ALARM'), region: 'us-east-1' },
      code: 'regionNotAllowed',
    },
    otherEvent: {
      summary: 'Another event than a change of state',
      value: { ...event('ALARM'), 'detail-type': 'CloudWatch Alarm Configuration Change' },
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
    'malformed',
    'notAnAlarm',
    'regionNotAllowed',
    ...CHECK_CODES,
    'temporalUnreachable',
  ],
};
