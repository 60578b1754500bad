import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  awsAccountId,
  awsRegion,
  hostAndPort,
  httpUrl,
  logLevel,
  parseEnvironment,
  temporalSettings,
  temporalVariables,
  type TemporalSettings,
} from '../domain/environment';
import { NAMES } from '../domain/names';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';

export interface WorkerConfig {
  temporal: TemporalSettings;
  aws: { region: string; accountId: string; endpoint?: string; iotDataEndpoint?: string };
  /** What this process works on. `runbooks` needs no AWS write permission, the others that of their power. */
  queues: TaskQueue[];
  guardTable: string;
  runbooksFolder: string;
  approversFile: string;
  /** The release repository that rollouts go by, and the root that devices are shipped with; absent: no rollouts. */
  releases?: { from: ReleasePlace; rootFile: string };
  /** `host:port` for Prometheus; absent: none. */
  metricsAddress?: string;
  logLevel: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
}

export type ReleasePlace = { url: string } | { bucket: string; prefix: string };

const S3_PLACE = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*?))?\/?$/;
const releasePlace = z.string().transform((text, context): ReleasePlace => {
  const [, bucket, prefix = ''] = S3_PLACE.exec(text) ?? [];
  if (bucket !== undefined) return { bucket, prefix };
  if (httpUrl.safeParse(text).success) return { url: text };
  context.addIssue({ code: 'custom', message: 'must be an http(s) URL or s3://bucket/prefix' });
  return z.NEVER;
});

const QUEUES = Object.values(TASK_QUEUES);

const variables = z
  .object({
    ...temporalVariables,
    AWS_REGION: awsRegion,
    AWS_ACCOUNT_ID: awsAccountId,
    AWS_ENDPOINT_URL: httpUrl.optional(),
    IOT_DATA_ENDPOINT: httpUrl.optional(),
    WORKER_QUEUES: z
      .string()
      .default(QUEUES.join(','))
      .transform((text) => text.split(',').map((name) => name.trim()))
      .pipe(z.array(z.enum(QUEUES, `must be a list of ${QUEUES.join(', ')}`)).min(1))
      .transform((queues) => [...new Set(queues)]),
    GUARD_TABLE: z.string().min(3).default(NAMES.guardTable),
    RUNBOOKS_DIR: z.string().min(1).default('runbooks'),
    APPROVERS_FILE: z
      .string()
      .min(1)
      .default(join(homedir(), '.config', 'iot-runbooks', 'approvers.json')),
    RELEASES_FROM: releasePlace.optional(),
    RELEASES_ROOT: z.string().min(1).optional(),
    METRICS_ADDRESS: hostAndPort.optional(),
    LOG_LEVEL: logLevel,
  })
  .refine((env) => env.AWS_ENDPOINT_URL !== undefined || env.IOT_DATA_ENDPOINT !== undefined, {
    path: ['IOT_DATA_ENDPOINT'],
    error:
      'must be https:// and what `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints',
    // Also beside other wrong variables: one start must name them all.
    when: () => true,
  })
  .refine((env) => (env.RELEASES_FROM === undefined) === (env.RELEASES_ROOT === undefined), {
    path: ['RELEASES_FROM'],
    error: 'and RELEASES_ROOT must be given together',
    when: () => true,
  });

/** The only place that knows the variable names. Throws one `ConfigError` that lists all that is wrong. */
export function loadConfig(env: NodeJS.ProcessEnv): WorkerConfig {
  const set = parseEnvironment(variables, env);
  return {
    temporal: temporalSettings(set),
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
    ...(set.RELEASES_FROM !== undefined &&
      set.RELEASES_ROOT !== undefined && {
        releases: { from: set.RELEASES_FROM, rootFile: set.RELEASES_ROOT },
      }),
    ...(set.METRICS_ADDRESS !== undefined && { metricsAddress: set.METRICS_ADDRESS }),
    logLevel: set.LOG_LEVEL.toUpperCase() as WorkerConfig['logLevel'],
  };
}
