import { z } from 'zod';

import {
  awsRegion,
  httpUrl,
  logLevel,
  parseEnvironment,
  wholeNumber,
} from '../../domain/environment';
import { NAMES } from '../../domain/names';

export interface TelemetryConfig {
  region: string;
  awsEndpoint?: string;
  queueName: string;
  namespace: string;
  concurrency: number;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

const variables = z.object({
  AWS_REGION: awsRegion,
  AWS_ENDPOINT_URL: httpUrl.optional(),
  TELEMETRY_QUEUE: z.string().min(1).max(80).default(NAMES.telemetryQueue),
  TELEMETRY_NAMESPACE: z.string().min(1).max(255).default(NAMES.metricNamespace),
  TELEMETRY_CONCURRENCY: wholeNumber(1, 64).default(2),
  LOG_LEVEL: logLevel,
});

/** The only place that knows the variable names. Throws one `ConfigError` that lists all that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): TelemetryConfig {
  const vars = parseEnvironment(variables, env);
  return {
    region: vars.AWS_REGION,
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    queueName: vars.TELEMETRY_QUEUE,
    namespace: vars.TELEMETRY_NAMESPACE,
    concurrency: vars.TELEMETRY_CONCURRENCY,
    logLevel: vars.LOG_LEVEL,
  };
}
