import { z } from 'zod';
import { listIssues } from '../../../domain/issues';
import { THING_NAME } from '../../../domain/names';
import { placeOf } from '../../../domain/policy/place';
import type { Place } from '../../../domain/policy/types';

export interface ProvisionConfig {
  place: Place;
  awsEndpoint?: string;
  iotDataEndpoint?: string;
  temporalAddress: string;
  temporalNamespace: string;
}

/** What was typed or configured can't be used. Its message lists all that is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const hostPort = z.string().regex(/^[^\s/]+:\d{1,5}$/, 'must be host:port');
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

const variables = z.object({
  AWS_REGION: z
    .string('must name the region, such as eu-west-1')
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as eu-west-1'),
  AWS_ACCOUNT_ID: z
    .string('must be the account’s 12 digits (aws sts get-caller-identity)')
    .regex(/^\d{12}$/, 'must be the account’s 12 digits (aws sts get-caller-identity)'),
  AWS_ENDPOINT_URL: httpUrl.optional(),
  IOT_DATA_ENDPOINT: httpUrl.optional(),
  TEMPORAL_ADDRESS: hostPort.default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).max(255).default('default'),
});

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv): ProvisionConfig {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const vars = parse(variables, set, 'The environment is wrong');
  return {
    place: placeOf(vars.AWS_REGION, vars.AWS_ACCOUNT_ID),
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    ...(vars.IOT_DATA_ENDPOINT !== undefined && { iotDataEndpoint: vars.IOT_DATA_ENDPOINT }),
    temporalAddress: vars.TEMPORAL_ADDRESS,
    temporalNamespace: vars.TEMPORAL_NAMESPACE,
  };
}

/** Stands in group names after `site-` or `hardware-`; AWS allows 128 characters in all. */
const label = z
  .string()
  .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" or "-"');
const labels = z
  .string()
  .transform((text) => (text === '' ? [] : text.split(',').map((each) => each.trim())))
  .pipe(z.array(label).max(500))
  .refine((all) => new Set(all).size === all.length, 'names one twice');

const fleetOptions = z.object({
  dryRun: z.boolean().default(false),
  sites: labels.default([]),
  hardware: labels.default([]),
  webhookUrl: httpUrl.optional(),
  /** `--no-temporal`: false. */
  temporal: z.union([z.boolean(), hostPort]).default(true),
});
export type FleetOptions = z.infer<typeof fleetOptions>;

const wholeNumber = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${low} to ${high}`)
    .transform(Number)
    .refine((value) => value >= low && value <= high, `must be from ${low} to ${high}`);

const deviceOptions = z
  .object({
    thing: z.string().regex(THING_NAME, 'must be 1 to 128 of a-z A-Z 0-9 _ -'),
    site: label,
    hardware: label,
    firmware: z
      .string()
      .regex(/^[a-zA-Z0-9_.,@/:#-]{1,64}$/, 'must be 1 to 64 of a-z A-Z 0-9 _ . , @ / : # -')
      .optional(),
    csr: z.string().min(1).optional(),
    certificate: z.string().min(1).optional(),
    certificateArn: z
      .string()
      .regex(
        /^arn:[a-z-]+:iot:[a-z0-9-]+:\d{12}:cert\/[0-9a-f]{64}$/,
        'must be the ARN of a certificate',
      )
      .optional(),
    out: z.string().min(1).optional(),
    alarmThreshold: wholeNumber(1, 1_000_000).optional(),
    alarmPeriod: wholeNumber(10, 86_400)
      .refine(
        (s) => [10, 20, 30].includes(s) || s % 60 === 0,
        'must be 10, 20, 30 or a multiple of 60',
      )
      .default(60),
  })
  .refine(
    ({ csr, certificate, certificateArn }) =>
      [csr, certificate, certificateArn].filter((each) => each !== undefined).length === 1,
    { path: ['csr'], error: 'give exactly one of --csr, --certificate and --certificate-arn' },
  );
export type DeviceOptions = z.infer<typeof deviceOptions>;

export const parseFleetOptions = (raw: unknown): FleetOptions =>
  parse(fleetOptions, raw, 'The options are wrong');
export const parseDeviceOptions = (raw: unknown): DeviceOptions =>
  parse(deviceOptions, raw, 'The options are wrong');

function parse<T extends z.ZodType>(schema: T, raw: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issues = listIssues(parsed.error, 'input').map(
    ({ field, problem }) => `${field} ${problem}`,
  );
  throw new UsageError(`${what}: ${issues.join('; ')}`);
}
