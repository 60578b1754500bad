import { z } from 'zod';

import { DURATION_EXAMPLES, parseDuration } from '../duration';
import { expressionProblem, METRIC_NAME } from './expression';
import type { GateRule, MetricQuery } from './types';

const MAX_RULES = 50;
const MAX_METRICS = 50;
/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Metric.html */
const MAX_DIMENSIONS = 30;
const STATISTICS = ['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount'] as const;

const gateRule = z.strictObject({
  name: z
    .string()
    .regex(
      /^[a-z][a-zA-Z0-9]{0,31}$/,
      'must be up to 32 letters and digits, the first a small one',
    ),
  when: z.string(),
  then: z.enum(['abort', 'hold'], 'must be abort or hold'),
  reason: z.string().min(1).max(300),
});

const text = z.string().min(1).max(255);
const metricQuery = z
  .strictObject({
    name: z
      .string()
      .regex(METRIC_NAME, 'must be up to 32 letters and digits, the first a small one'),
    namespace: text,
    metric: text,
    dimensions: z
      .record(text, text)
      .refine((all) => Object.keys(all).length <= MAX_DIMENSIONS, 'must be at most 30')
      .default({}),
    statistic: z.enum(STATISTICS, `must be one of ${STATISTICS.join(', ')}`),
    periodSeconds: z.int().min(60).max(86_400).multipleOf(60, 'must be whole minutes'),
    within: z.string(),
  })
  .transform(({ within, ...query }, context): MetricQuery => {
    const withinMs = parseDuration(within);
    if (withinMs !== null && withinMs >= query.periodSeconds * 1_000) return { ...query, withinMs };
    const message =
      withinMs === null
        ? `must be a duration such as ${DURATION_EXAMPLES}`
        : 'must not be shorter than periodSeconds';
    context.addIssue({ code: 'custom', path: ['within'], message });
    return z.NEVER;
  });

/** Fields of a runbook's YAML; `checkGate` goes with them. */
export const gateFields = {
  gate: z.array(gateRule).max(MAX_RULES),
  metrics: z.array(metricQuery).max(MAX_METRICS),
};

/** A rule that can't be judged is refused as the file is loaded, not as a wave hangs on it. */
export function checkGate(
  { gate, metrics }: { gate: GateRule[]; metrics: MetricQuery[] },
  context: z.RefinementCtx,
): void {
  const complain = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  const names = metrics.map(({ name }) => name);
  for (const [index, name] of names.entries())
    if (names.indexOf(name) < index) complain(['metrics', index, 'name'], `${name} stands twice`);
  for (const [index, { name, when }] of gate.entries()) {
    if (gate.findIndex((rule) => rule.name === name) < index)
      complain(['gate', index, 'name'], `${name} stands twice`);
    const problem = expressionProblem(when, names);
    if (problem !== null) complain(['gate', index, 'when'], problem);
  }
}
