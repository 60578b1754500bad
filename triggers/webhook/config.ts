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
import type { AllowedTopic } from './sns-verifier';

export interface WebhookConfig {
  host: string;
  port: number;
  topics: AllowedTopic[];
  /** Trust anchor for the host of the signing certificates; absent: the system's. */
  snsCaFile?: string;
  awsEndpoint?: string;
  temporal: TemporalSettings;
  runbooksFolder: string;
  rateLimitPerMinute: number;
  trustedProxies: number;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

const TOPIC_ARN = /^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[\w-]{1,256}$/;
const HOST = /^[a-z0-9.-]+(:\d{1,5})?$/;

const variables = z.object({
  WEBHOOK_HOST: z.string().min(1).default('127.0.0.1'),
  WEBHOOK_PORT: wholeNumber(0, 65_535).default(8088),
  SNS_TOPIC_ARNS: z
    .string('must list the topic ARNs whose messages are taken, separated by commas')
    .transform((text) => text.split(',').map((arn) => arn.trim()))
    .refine((arns) => arns.every((arn) => TOPIC_ARN.test(arn)), {
      error: 'must be SNS topic ARNs, separated by commas',
    }),
  SNS_SIGNING_HOST: z.string().regex(HOST, 'must be a host, or host:port').optional(),
  SNS_CA_FILE: z.string().min(1).optional(),
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
    topics: vars.SNS_TOPIC_ARNS.map((arn) => allowTopic(arn, vars.SNS_SIGNING_HOST)),
    ...(vars.SNS_CA_FILE !== undefined && { snsCaFile: vars.SNS_CA_FILE }),
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    temporal: temporalSettings(vars),
    runbooksFolder: vars.RUNBOOKS_DIR,
    rateLimitPerMinute: vars.WEBHOOK_RATE_LIMIT_PER_MINUTE,
    trustedProxies: vars.WEBHOOK_TRUSTED_PROXIES,
    logLevel: vars.LOG_LEVEL,
  };
}

function allowTopic(arn: string, signingHost: string | undefined): AllowedTopic {
  const [, partition, region = ''] = TOPIC_ARN.exec(arn) ?? [];
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  return { arn, region, signingHost: signingHost ?? `sns.${region}.${suffix}` };
}
