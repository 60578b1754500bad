import { z } from 'zod';
import { listIssues } from './issues';

/** What was typed or configured can't be used. Its message names every field that is wrong and how to mend it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Parses environment variables. An empty one is how compose files and CI say "not set". */
export function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  env: Record<string, string | undefined>,
): z.output<Schema> {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  return parseConfig(schema, set, 'The environment is wrong');
}

export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  given: unknown,
  what: string,
): z.output<Schema> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issues = listIssues(parsed.error, 'input');
  const lines = issues.map(({ field, problem }) => `${field} ${problem}`);
  throw new ConfigError(`${what}: ${lines.join('; ')}`);
}

export const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
export const hostAndPort = z
  .string()
  .regex(/^[^\s/]+:\d{1,5}$/, 'must be host:port')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, {
    error: 'must be host:port, with a port up to 65535',
  });
export const awsRegion = z
  .string('must name the region of the fleet, such as eu-west-1')
  .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-west-1');
export const awsAccountId = z
  .string('must be the 12 digits of the account (aws sts get-caller-identity)')
  .regex(/^\d{12}$/, 'must be the 12 digits of the account (aws sts get-caller-identity)');
export const logLevel = z
  .enum(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error')
  .default('info');
export const wholeNumber = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${low} to ${high}`)
    .transform(Number)
    .refine((value) => value >= low && value <= high, `must be from ${low} to ${high}`);

export interface TemporalSettings {
  address: string;
  namespace: string;
  apiKey?: string;
  /** PEM files of a client certificate, as Temporal Cloud and mTLS clusters want. */
  tls?: { certFile: string; keyFile: string };
}

/** How every process reaches Temporal: to be spread into its own variables. */
export const temporalVariables = {
  TEMPORAL_ADDRESS: hostAndPort.default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).max(255).default('default'),
  TEMPORAL_API_KEY: z.string().min(1).optional(),
  TEMPORAL_TLS_CERT_FILE: z.string().min(1).optional(),
  TEMPORAL_TLS_KEY_FILE: z.string().min(1).optional(),
};

export function temporalSettings(vars: {
  TEMPORAL_ADDRESS: string;
  TEMPORAL_NAMESPACE: string;
  TEMPORAL_API_KEY?: string | undefined;
  TEMPORAL_TLS_CERT_FILE?: string | undefined;
  TEMPORAL_TLS_KEY_FILE?: string | undefined;
}): TemporalSettings {
  const { TEMPORAL_TLS_CERT_FILE: certFile, TEMPORAL_TLS_KEY_FILE: keyFile } = vars;
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new ConfigError(
      'The environment is wrong: TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE must be given together',
    );
  return {
    address: vars.TEMPORAL_ADDRESS,
    namespace: vars.TEMPORAL_NAMESPACE,
    ...(vars.TEMPORAL_API_KEY !== undefined && { apiKey: vars.TEMPORAL_API_KEY }),
    ...(certFile !== undefined && keyFile !== undefined && { tls: { certFile, keyFile } }),
  };
}

/** Options of Temporal's client and worker connections alike. */
export const connectionOptions = (
  { address, apiKey, tls }: TemporalSettings,
  readFile: (path: string) => Buffer,
) => ({
  address,
  ...(apiKey !== undefined && { apiKey, tls: true as const }),
  ...(tls !== undefined && {
    tls: { clientCertPair: { crt: readFile(tls.certFile), key: readFile(tls.keyFile) } },
  }),
});
