import { z } from 'zod';
import { awsAccountId, awsRegion, httpUrl, parseEnvironment } from '../../../domain/environment';
import { NAMES } from '../../../domain/names';

const variables = z.object({
  AWS_REGION: awsRegion,
  AWS_ACCOUNT_ID: awsAccountId,
  AWS_ENDPOINT_URL: httpUrl.optional(),
  IOT_DATA_ENDPOINT: httpUrl.optional(),
  GUARD_TABLE: z.string().min(3).default(NAMES.guardTable),
});

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv) {
  const set = parseEnvironment(variables, env);
  return {
    region: set.AWS_REGION,
    accountId: set.AWS_ACCOUNT_ID,
    guardTable: set.GUARD_TABLE,
    ...(set.AWS_ENDPOINT_URL !== undefined && { endpoint: set.AWS_ENDPOINT_URL }),
    ...(set.IOT_DATA_ENDPOINT !== undefined && { iotDataEndpoint: set.IOT_DATA_ENDPOINT }),
  };
}
