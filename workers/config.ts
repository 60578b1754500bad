import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { listIssues } from '../domain/issues';
import { NAMES } from '../domain/names';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';

export interface WorkerConfig {
  temporal: {
    address: string;
    namespace: string;
    apiKey?: string;
    /** PEM files of a client certificate, as Temporal Cloud and mTLS clusters want. */
    tls?: { certFile: string; keyFile: string };
  };
  aws: { region: string; accountId: string; endpoint?: string; iotDataEndpoint?: string };
  /** What this process works on. `runbooks` needs no AWS write permission, the others that of their power. */
  queues: TaskQueue[];
  guardTable: string;
  runbooksFolder: string;
  approversFile: string;
  /** `host:port` for Prometheus; absent: none. */
  metricsAddress?: string;
  logLevel: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
}

/** The environment can't be used. Its message lists every wrong variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const QUEUES = Object.values(TASK_QUEUES);
const hostAndPort = z.string().regex(/^[^\s/]+:\d{1,5}$/, 'must be host:port');
const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

const variables = z
  .object({
    TEMPORAL_ADDRESS: hostAndPort.default('127.0.0.1:7233'),
    TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
    TEMPORAL_API_KEY: z.string().min(1).optional(),
    TEMPORAL_TLS_CERT_FILE: z.string().min(1).optional(),
    TEMPORAL_TLS_KEY_FILE: z.string().min(1).optional(),
    AWS_REGION: z
      .string('must name the region of the fleet')
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-west-1'),
    AWS_ACCOUNT_ID: z
      .string('must be the account of the fleet')
      .regex(/^\d{12}$/, 'must be 12 digits'),
    AWS_ENDPOINT_URL: url.optional(),
    IOT_DATA_ENDPOINT: url.optional(),
    WORKER_QUEUES: z
      .string()
      .default(QUEUES.join(','))
      .transform((text) => text.split(',').map((name) => name.trim()))
      .pipe(z.array(z.enum(QUEUES, `must be a list of ${QUEUES.join(', ')}`)).min(1)),
    GUARD_TABLE: z.string().min(3).default(NAMES.guardTable),
    RUNBOOKS_DIR: z.string().min(1).default('runbooks'),
    APPROVERS_FILE: z
      .string()
      .min(1)
      .default(join(homedir(), '.config', 'iot-runbooks', 'approvers.json')),
    METRICS_ADDRESS: hostAndPort.optional(),
    LOG_LEVEL: z
      .enum(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error')
      .default('info'),
  })
  .refine((env) => env.AWS_ENDPOINT_URL !== undefined || env.IOT_DATA_ENDPOINT !== undefined, {
    path: ['IOT_DATA_ENDPOINT'],
    error:
      'must be https:// and what `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints',
  })
  .refine(
    (env) =>
      (env.TEMPORAL_TLS_CERT_FILE === undefined) === (env.TEMPORAL_TLS_KEY_FILE === undefined),
    {
      path: ['TEMPORAL_TLS_KEY_FILE'],
      error: 'must be given together with TEMPORAL_TLS_CERT_FILE',
    },
  );

/** The only place that knows the variable names. Throws one `ConfigError` that lists all that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): WorkerConfig {
  const parsed = variables.safeParse(env);
  if (!parsed.success) {
    const lines = listIssues(parsed.error, 'environment').map(
      ({ field, problem }) => `  ${field} ${problem}`,
    );
    throw new ConfigError(['The worker needs its environment mended:', ...lines].join('\n'));
  }
  const set = parsed.data;
  return {
    temporal: {
      address: set.TEMPORAL_ADDRESS,
      namespace: set.TEMPORAL_NAMESPACE,
      ...(set.TEMPORAL_API_KEY !== undefined && { apiKey: set.TEMPORAL_API_KEY }),
      ...(set.TEMPORAL_TLS_CERT_FILE !== undefined &&
        set.TEMPORAL_TLS_KEY_FILE !== undefined && {
          tls: { certFile: set.TEMPORAL_TLS_CERT_FILE, keyFile: set.TEMPORAL_TLS_KEY_FILE },
        }),
    },
    aws: {
      region: set.AWS_REGION,
      accountId: set.AWS_ACCOUNT_ID,
      ...(set.AWS_ENDPOINT_URL !== undefined && { endpoint: set.AWS_ENDPOINT_URL }),
      ...(set.IOT_DATA_ENDPOINT !== undefined && { iotDataEndpoint: set.IOT_DATA_ENDPOINT }),
    },
    queues: set.WORKER_QUEUES,
    guardTable: set.GUARD_TABLE,
    runbooksFolder: set.RUNBOOKS_DIR,
    approversFile: set.APPROVERS_FILE,
    ...(set.METRICS_ADDRESS !== undefined && { metricsAddress: set.METRICS_ADDRESS }),
    logLevel: set.LOG_LEVEL.toUpperCase() as WorkerConfig['logLevel'],
  };
}
