import { judge, type GateInput, type Judgement } from '../../domain/rollout/gate';
import type { GateRule, Measurement, MetricQuery, WaveCounts } from '../../domain/rollout/types';

export const MINUTE = 60_000;
export const NOW = Date.parse('2026-11-25T03:00:00.000Z');

export const counts = (some: Partial<WaveCounts> = {}): WaveCounts => ({
  size: 40,
  waiting: 0,
  queued: 0,
  inProgress: 0,
  succeeded: 0,
  confirmed: 0,
  failed: 0,
  silent: 0,
  unreached: 0,
  skipped: 0,
  ...some,
});

/** A wave that went well in every respect, but for what is given. */
export const measured = (some: Partial<Measurement> = {}): Measurement => ({
  at: new Date(NOW).toISOString(),
  wave: 2,
  waves: 4,
  complete: true,
  counts: counts({ confirmed: 40 }),
  updated: { devices: 45, healthy: 45, degraded: 0, unhealthy: 0 },
  control: { devices: 100, healthy: 100, degraded: 0, unhealthy: 0 },
  alarms: [],
  metrics: {},
  ...some,
});

export const metric = (name: string): MetricQuery => ({
  name,
  namespace: 'Pumps',
  metric: name,
  dimensions: {},
  statistic: 'Sum',
  periodSeconds: 60,
  withinMs: 10 * MINUTE,
});

export const rule = (when: string, then: GateRule['then'] = 'abort', name = 'ours'): GateRule => ({
  name,
  when,
  then,
  reason: 'it looks bad',
});

export const judged = (
  measurement: Measurement,
  more: Partial<Omit<GateInput, 'measurement' | 'settings'>> & { metrics?: MetricQuery[] } = {},
): Judgement => {
  const { metrics = [], ...rest } = more;
  const settings = { minReachedPercent: 80, noDataForMs: 15 * MINUTE, metrics };
  return judge({ measurement, rules: [], settings, noDataSince: null, now: NOW, ...rest });
};

export const rulesOf = ({ reasons }: Judgement): string[] => reasons.map((reason) => reason.rule);
