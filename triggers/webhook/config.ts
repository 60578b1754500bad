import { z } from 'zod';

import {
  httpUrl,
  logLevel,
  parseEnvironment,
  temporalSettings,
  temporalVariables,
  wholeNumber,
  type TemporalSettings,
} from '../../domain/environment';
import { senderSettings, senderVariables, type SenderSettings } from './sender-config';

export interface WebhookConfig {
  host: string;
  port: number;
  senders: SenderSettings;
  awsEndpoint?: string;
  temporal: TemporalSettings;
  runbooksFolder: string;
  rateLimitPerMinute: number;
  trustedProxies: number;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

const variables = senderVariables.safeExtend({
  WEBHOOK_HOST: z.string().min(1).default('127.0.0.1'),
  WEBHOOK_PORT: wholeNumber(0, 65_535).default(8088),
  AWS_ENDPOINT_URL: httpUrl.optional(),
  ...temporalVariables,
  RUNBOOKS_DIR: z.string().min(1).default('runbooks'),
  WEBHOOK_RATE_LIMIT_PER_MINUTE: wholeNumber(1, 100_000_000).default(6_000),
  WEBHOOK_TRUSTED_PROXIES: wholeNumber(0, 10).default(0),
  LOG_LEVEL: logLevel,
});

/** The only place that knows the variable names. Throws one `ConfigError` that lists all that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): WebhookConfig {
  const vars = parseEnvironment(variables, env);
  return {
    host: vars.WEBHOOK_HOST,
    port: vars.WEBHOOK_PORT,
    senders: senderSettings(vars),
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    temporal: temporalSettings(vars),
    runbooksFolder: vars.RUNBOOKS_DIR,
    rateLimitPerMinute: vars.WEBHOOK_RATE_LIMIT_PER_MINUTE,
    trustedProxies: vars.WEBHOOK_TRUSTED_PROXIES,
    logLevel: vars.LOG_LEVEL,
  };
}
