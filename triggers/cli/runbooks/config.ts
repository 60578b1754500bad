import { z } from 'zod';
import { awsAccountId, awsRegion, httpUrl, parseEnvironment } from '../../../domain/environment';

const variables = z.object({
  AWS_REGION: awsRegion,
  AWS_ACCOUNT_ID: awsAccountId,
  AWS_ENDPOINT_URL: httpUrl.optional(),
});

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv) {
  const set = parseEnvironment(variables, env);
  return {
    region: set.AWS_REGION,
    accountId: set.AWS_ACCOUNT_ID,
    ...(set.AWS_ENDPOINT_URL !== undefined && { endpoint: set.AWS_ENDPOINT_URL }),
  };
}
