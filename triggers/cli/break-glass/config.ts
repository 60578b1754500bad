import { z } from 'zod';
import { listIssues } from '../../../domain/issues';
import { NAMES } from '../../../domain/names';

/** What was typed or configured can't be used. Its message lists all that is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).optional();

const variables = z.object({
  AWS_REGION: z.string('must name the region of the fleet').regex(/^[a-z]{2}(-[a-z]+)+-\d$/),
  AWS_ACCOUNT_ID: z
    .string('must be the account of the fleet')
    .regex(/^\d{12}$/, 'must be 12 digits'),
  AWS_ENDPOINT_URL: url,
  IOT_DATA_ENDPOINT: url,
  GUARD_TABLE: z.string().min(3).default(NAMES.guardTable),
});

export type BreakGlassConfig = ReturnType<typeof loadConfig>;

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(given);
  if (!parsed.success) {
    const lines = listIssues(parsed.error, 'environment').map(
      (it) => `  ${it.field} ${it.problem}`,
    );
    throw new UsageError(['The environment must be mended:', ...lines].join('\n'));
  }
  const set = parsed.data;
  return {
    region: set.AWS_REGION,
    accountId: set.AWS_ACCOUNT_ID,
    guardTable: set.GUARD_TABLE,
    ...(set.AWS_ENDPOINT_URL !== undefined && { endpoint: set.AWS_ENDPOINT_URL }),
    ...(set.IOT_DATA_ENDPOINT !== undefined && { iotDataEndpoint: set.IOT_DATA_ENDPOINT }),
  };
}
