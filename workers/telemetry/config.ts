import { z } from 'zod';

import { listIssues } from '../../domain/issues';
import { NAMES } from '../../domain/names';

export interface TelemetryConfig {
  region: string;
  awsEndpoint?: string;
  queueName: string;
  namespace: string;
  concurrency: number;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** The environment can't be used. Its message lists every wrong variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const variables = z.object({
  AWS_REGION: z
    .string('must name the region of the fleet')
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-west-1'),
  AWS_ENDPOINT_URL: z.url({ protocol: /^https?$/, error: 'must be a URL' }).optional(),
  TELEMETRY_QUEUE: z.string().min(1).max(80).default(NAMES.telemetryQueue),
  TELEMETRY_NAMESPACE: z.string().min(1).max(255).default(NAMES.metricNamespace),
  TELEMETRY_CONCURRENCY: z
    .string()
    .regex(/^([1-9]|[1-5]\d|6[0-4])$/, 'must be from 1 to 64')
    .transform(Number)
    .default(2),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error')
    .default('info'),
});

/** The only place that knows the variable names. Throws one `ConfigError` that lists all that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): TelemetryConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(given);
  if (!parsed.success) {
    const lines = listIssues(parsed.error, 'environment').map(
      (it) => `  ${it.field} ${it.problem}`,
    );
    throw new ConfigError(['The telemetry pump cannot start:', ...lines].join('\n'));
  }
  const vars = parsed.data;
  return {
    region: vars.AWS_REGION,
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    queueName: vars.TELEMETRY_QUEUE,
    namespace: vars.TELEMETRY_NAMESPACE,
    concurrency: vars.TELEMETRY_CONCURRENCY,
    logLevel: vars.LOG_LEVEL,
  };
}
