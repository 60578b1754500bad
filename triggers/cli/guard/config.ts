import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  awsRegion,
  httpUrl,
  parseEnvironment,
  temporalSettings,
  temporalVariables,
  type TemporalSettings,
} from '../../../domain/environment';
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
  temporal: TemporalSettings;
}

const home = join(homedir(), '.config', 'iot-runbooks');

const variables = z.object({
  AWS_REGION: awsRegion.optional(),
  AWS_ENDPOINT_URL: httpUrl.optional(),
  GUARD_TABLE: z
    .string()
    .regex(/^[a-zA-Z0-9_.-]{3,255}$/, 'must be a DynamoDB table name')
    .default(NAMES.guardTable),
  APPROVERS_FILE: z.string().min(1).default(join(home, 'approvers.json')),
  APPROVER_KEYS_DIR: z.string().min(1).default(join(home, 'approvers')),
  ...temporalVariables,
});

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv): GuardCliConfig {
  const vars = parseEnvironment(variables, env);
  return {
    awsRegion: vars.AWS_REGION ?? null,
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    guardTable: vars.GUARD_TABLE,
    approversFile: vars.APPROVERS_FILE,
    approverKeysDir: vars.APPROVER_KEYS_DIR,
    temporal: temporalSettings(vars),
  };
}
