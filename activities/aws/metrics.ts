import {
  GetMetricDataCommand,
  type CloudWatchClient,
  type MetricDataQuery,
  type MetricDataResult,
} from '@aws-sdk/client-cloudwatch';
import type { MetricQuery } from '../../domain/rollout/types';
import type { Metrics } from '../rollout/deps';

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html */
const MOST_QUERIES = 500;

export function createMetrics(cloudwatch: CloudWatchClient): Metrics {
  return {
    async latest(queries, now) {
      const newest: Record<string, number | null> = {};
      for (let at = 0; at < queries.length; at += MOST_QUERIES) {
        const some = queries.slice(at, at + MOST_QUERIES);
        const results = await read(cloudwatch, some, now);
        for (const [index, query] of some.entries())
          newest[query.name] = newestOf(query, results.get(idOf(index)), now);
      }
      return newest;
    },
  };
}

const idOf = (index: number): string => `m${index}`;

/** Pages of one series come newest first; the last page says whether the series is whole. */
async function read(
  cloudwatch: CloudWatchClient,
  queries: readonly MetricQuery[],
  now: number,
): Promise<Map<string, MetricDataResult>> {
  const results = new Map<string, MetricDataResult>();
  // A datum bears the time at which its period begins.
  const longest = Math.max(
    ...queries.map(({ withinMs, periodSeconds }) => withinMs + periodSeconds * 1_000),
  );
  let NextToken: string | undefined;
  do {
    const page = await cloudwatch.send(
      new GetMetricDataCommand({
        MetricDataQueries: queries.map(toQuery),
        StartTime: new Date(now - longest),
        EndTime: new Date(now),
        ScanBy: 'TimestampDescending',
        ...(NextToken !== undefined && { NextToken }),
      }),
    );
    for (const result of page.MetricDataResults ?? []) {
      const before = results.get(result.Id ?? '');
      results.set(result.Id ?? '', {
        ...result,
        Timestamps: [...(before?.Timestamps ?? []), ...(result.Timestamps ?? [])],
        Values: [...(before?.Values ?? []), ...(result.Values ?? [])],
      });
    }
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return results;
}

const toQuery = (
  { namespace, metric, dimensions, statistic, periodSeconds }: MetricQuery,
  index: number,
): MetricDataQuery => ({
  Id: idOf(index),
  MetricStat: {
    Metric: {
      Namespace: namespace,
      MetricName: metric,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
    },
    Period: periodSeconds,
    Stat: statistic,
  },
});

/** A partial or failed result is no data: half of a sum would read like a good sign. */
function newestOf(
  { withinMs, periodSeconds }: MetricQuery,
  result: MetricDataResult | undefined,
  now: number,
): number | null {
  if (result?.StatusCode !== 'Complete') return null;
  let newest: { at: number; value: number } | null = null;
  for (const [index, begins] of (result.Timestamps ?? []).entries()) {
    const at = begins.getTime();
    const value = result.Values?.[index];
    if (value === undefined || at + periodSeconds * 1_000 <= now - withinMs) continue;
    if (newest === null || at > newest.at) newest = { at, value };
  }
  return newest?.value ?? null;
}
