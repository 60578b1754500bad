import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { NAMES } from '../../../domain/names';

export interface GuardCliConfig {
  /** Null where it is not set: commands about approvers need no AWS. */
  awsRegion: string | null;
  awsEndpoint?: string;
  guardTable: string;
  /** JWKS of the approvers' public keys; the workers read the same file. */
  approversFile: string;
  /** Private keys of the approvers who use this machine. */
  approverKeysDir: string;
  temporalAddress: string;
  temporalNamespace: string;
}

const home = join(homedir(), '.config', 'iot-runbooks');

const variables = z.object({
  AWS_REGION: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-west-1')
    .optional(),
  AWS_ENDPOINT_URL: z.url({ protocol: /^https?$/, error: 'must be a URL' }).optional(),
  GUARD_TABLE: z
    .string()
    .regex(/^[a-zA-Z0-9_.-]{3,255}$/, 'must be a DynamoDB table name')
    .default(NAMES.guardTable),
  APPROVERS_FILE: z.string().min(1).default(join(home, 'approvers.json')),
  APPROVER_KEYS_DIR: z.string().min(1).default(join(home, 'approvers')),
  TEMPORAL_ADDRESS: z
    .string()
    .regex(/^[^\s/]+:\d{1,5}$/, 'must be host:port')
    .default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
});

/** What was typed can't be used. Its message lists all that is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv): GuardCliConfig {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((i) => `${i.path.join('.')} ${i.message}`);
    throw new UsageError(`The environment is wrong: ${issues.join('; ')}`);
  }
  const vars = parsed.data;
  return {
    awsRegion: vars.AWS_REGION ?? null,
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    guardTable: vars.GUARD_TABLE,
    approversFile: vars.APPROVERS_FILE,
    approverKeysDir: vars.APPROVER_KEYS_DIR,
    temporalAddress: vars.TEMPORAL_ADDRESS,
    temporalNamespace: vars.TEMPORAL_NAMESPACE,
  };
}
