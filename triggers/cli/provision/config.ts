import { z } from 'zod';
import {
  awsAccountId,
  awsRegion,
  hostAndPort,
  httpUrl,
  parseConfig,
  parseEnvironment,
  temporalSettings,
  temporalVariables,
  wholeNumber,
  type TemporalSettings,
} from '../../../domain/environment';
import { THING_NAME } from '../../../domain/names';
import { placeOf } from '../../../domain/policy/place';
import type { Place } from '../../../domain/policy/types';

export interface ProvisionConfig {
  place: Place;
  awsEndpoint?: string;
  iotDataEndpoint?: string;
  temporal: TemporalSettings;
}

const variables = z.object({
  AWS_REGION: awsRegion,
  AWS_ACCOUNT_ID: awsAccountId,
  AWS_ENDPOINT_URL: httpUrl.optional(),
  IOT_DATA_ENDPOINT: httpUrl.optional(),
  ...temporalVariables,
});

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv): ProvisionConfig {
  const vars = parseEnvironment(variables, env);
  return {
    place: placeOf(vars.AWS_REGION, vars.AWS_ACCOUNT_ID),
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
    ...(vars.IOT_DATA_ENDPOINT !== undefined && { iotDataEndpoint: vars.IOT_DATA_ENDPOINT }),
    temporal: temporalSettings(vars),
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
  temporal: z.union([z.boolean(), hostAndPort]).default(true),
});
export type FleetOptions = z.infer<typeof fleetOptions>;

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
  parseConfig(fleetOptions, raw, 'The options are wrong');
export const parseDeviceOptions = (raw: unknown): DeviceOptions =>
  parseConfig(deviceOptions, raw, 'The options are wrong');
