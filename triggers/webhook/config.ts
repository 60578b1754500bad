import { z } from 'zod';

import { listIssues } from '../../domain/issues';
import type { AllowedTopic } from './sns-verifier';

export interface WebhookConfig {
  host: string;
  port: number;
  topics: AllowedTopic[];
  /** Trust anchor for the host of the signing certificates; absent: the system's. */
  snsCaFile?: string;
  awsEndpoint?: string;
  temporalAddress: string;
  temporalNamespace: string;
  runbooksFolder: string;
  rateLimitPerMinute: number;
  trustedProxies: number;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** The environment can't be used. Its message lists every wrong variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const TOPIC_ARN = /^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[\w-]{1,256}$/;
const HOST = /^[a-z0-9.-]+(:\d{1,5})?$/;
const integer = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${low} to ${high}`)
    .transform(Number)
    .refine((value) => value >= low && value <= high, `must be from ${low} to ${high}`);

const variables = z.object({
  WEBHOOK_HOST: z.string().min(1).default('127.0.0.1'),
  WEBHOOK_PORT: integer(0, 65_535).default(8088),
  SNS_TOPIC_ARNS: z
    .string('must list the topic ARNs whose messages are taken, separated by commas')
    .transform((text) => text.split(',').map((arn) => arn.trim()))
    .refine((arns) => arns.every((arn) => TOPIC_ARN.test(arn)), {
      error: 'must be SNS topic ARNs, separated by commas',
    }),
  SNS_SIGNING_HOST: z.string().regex(HOST, 'must be a host, or host:port').optional(),
  SNS_CA_FILE: z.string().min(1).optional(),
  AWS_ENDPOINT_URL: z.url({ protocol: /^https?$/, error: 'must be a URL' }).optional(),
  TEMPORAL_ADDRESS: z
    .string()
    .regex(/^[^\s/]+:\d{1,5}$/, 'must be host:port')
    .default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  RUNBOOKS_DIR: z.string().min(1).default('runbooks'),
  WEBHOOK_RATE_LIMIT_PER_MINUTE: integer(1, 100_000_000).default(6_000),
  WEBHOOK_TRUSTED_PROXIES: integer(0, 10).default(0),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error')
    .default('info'),
});

/** The only place that knows the variable names. Throws one `ConfigError` that lists all that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): WebhookConfig {
  // An empty variable is how compose files and CI say "not set".
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(given);
  if (!parsed.success) {
    const lines = listIssues(parsed.error, 'environment').map(
      (it) => `  ${it.field} ${it.problem}`,
    );
    throw new ConfigError(['The webhook cannot start:', ...lines].join('\n'));
  }
  const vars = parsed.data;
  return {
    host: vars.WEBHOOK_HOST,
    port: vars.WEBHOOK_PORT,
    topics: vars.SNS_TOPIC_ARNS.map((arn) => allowTopic(arn, vars.SNS_SIGNING_HOST)),
    ...(vars.SNS_CA_FILE !== undefined && { snsCaFile: vars.SNS_CA_FILE }),
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    temporalAddress: vars.TEMPORAL_ADDRESS,
    temporalNamespace: vars.TEMPORAL_NAMESPACE,
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
