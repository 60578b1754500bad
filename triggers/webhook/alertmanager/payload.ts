import { createHash } from 'node:crypto';

import { z } from 'zod';

import { mergeDimensions } from '../../../domain/alarm/dimensions';
import type { Alarm } from '../../../domain/alarm/types';
import { instant } from '../instant';

/** Label by name, as Prometheus has them; the alarm's name is the label `alertname`. */
export const labels = z.record(z.string().max(255), z.string().max(4096));
export type Labels = z.infer<typeof labels>;

const alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels,
  annotations: z.record(z.string().max(255), z.string()).optional(),
  startsAt: instant,
  endsAt: instant.optional(),
});
type Alert = z.infer<typeof alert>;

/** https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export const payload = z.object({
  version: z.literal('4'),
  groupKey: z.string(),
  truncatedAlerts: z.number().optional(),
  alerts: z.array(alert).min(1).max(2_000),
});

export interface DimensionByLabel {
  [label: string]: string;
}

const MAX_NAME = 255;
const MAX_VALUE = 1024;
const MAX_REASON = 1023;

/**
 * What one alert claims; null without a usable name. Alertmanagers in a cluster, and the same group sent again,
 * tell the same labels and start, so that an alert is one alarm event from its start to its end.
 */
export function toAlarm(alert: Alert, dimensions: DimensionByLabel): Alarm | null {
  const name = alert.labels['alertname'] ?? '';
  if (name === '' || name.length > MAX_NAME) return null;
  const reason = alert.annotations?.['summary'] ?? alert.annotations?.['description'] ?? '';
  const firing = alert.status === 'firing';
  return {
    source: 'alertmanager',
    name,
    arn: identity(alert.labels),
    accountId: '',
    region: '',
    state: firing ? 'ALARM' : 'OK',
    stateChangedAt: firing ? alert.startsAt : (alert.endsAt ?? alert.startsAt),
    reason: reason.slice(0, MAX_REASON),
    dimensions: dimensionsOf(alert.labels, dimensions),
  };
}

/** Alertmanager's own fingerprint is 64 bits of FNV, which anyone can make collide. */
export function identity(labels: Labels): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `alertmanager:${createHash('sha256').update(JSON.stringify(sorted)).digest('hex')}`;
}

/** Two labels of one dimension must agree, or it is left out. */
function dimensionsOf(labels: Labels, names: DimensionByLabel): Record<string, string> {
  const pairs = Object.entries(names).map(([label, name]) => ({
    name,
    value: (Object.hasOwn(labels, label) ? labels[label] : undefined) ?? '',
  }));
  return mergeDimensions(pairs.filter(({ value }) => value !== '' && value.length <= MAX_VALUE));
}
