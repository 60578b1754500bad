import type { SenderDescription } from '../sender';
import { payload } from './payload';

const group = (status: 'firing' | 'resolved', labels: Record<string, string>) => ({
  version: '4',
  groupKey: '{}:{alertname="IotRunbooksRefusedPublishes"}',
  truncatedAlerts: 0,
  status,
  receiver: 'iot-runbooks',
  groupLabels: { alertname: 'IotRunbooksRefusedPublishes' },
  commonLabels: labels,
  commonAnnotations: {},
  externalURL: 'http://alertmanager.example:9093',
  alerts: [
    {
      status,
      labels,
      annotations: { summary: 'pump-7 publishes what its policy refuses' },
      startsAt: '2026-11-24T12:00:00.123456789Z',
      endsAt: status === 'firing' ? '0001-01-01T00:00:00Z' : '2026-11-24T12:30:00.5Z',
      generatorURL: 'http://prometheus.example:9090/graph',
      fingerprint: '1a30ba71cca2921f',
    },
  ],
});
const labels = { alertname: 'IotRunbooksRefusedPublishes', thing: 'pump-7', severity: 'critical' };

export const ALERTMANAGER_DESCRIPTION: SenderDescription = {
  summary: 'A group of alerts by Alertmanager',
  text: 'The payload of its webhook, version 4. Each alert is one alarm from its start to its end. Alerts are read again at Alertmanager; where that is not configured, only routes with `verify: sender` take them.',
  body: payload,
  security: { alertmanagerToken: { type: 'http', scheme: 'bearer' } },
  examples: {
    firing: {
      summary: 'An alert that fires',
      value: group('firing', labels),
      code: 'batch',
    },
    resolved: {
      summary: 'An alert that has cleared',
      value: group('resolved', labels),
      code: 'batch',
    },
    withoutThing: {
      summary: 'An alert about no device',
      value: group('firing', { alertname: 'Watchdog' }),
      code: 'batch',
    },
    otherVersion: {
      summary: 'A payload of another version',
      value: { ...group('firing', labels), version: '3' },
      code: 'notAnAlarm',
    },
  },
  codes: [
    'batch',
    'unauthenticated',
    'malformed',
    'notAnAlarm',
    'alertmanagerUnreachable',
    'temporalUnreachable',
  ],
};
