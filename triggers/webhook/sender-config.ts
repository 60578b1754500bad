import { z } from 'zod';

import { httpUrl } from '../../domain/environment';
import type { DimensionByLabel } from './alertmanager/payload';
import type { AllowedTopic } from './sns/verifier';
import { readSecret } from './standard-webhooks/signature';

/** Of each sender that has a credential; the others have no route. */
export interface SenderSettings {
  sns?: {
    topics: AllowedTopic[];
    /** Trust anchor for the host of the signing certificates; absent: the system's. */
    caFile?: string;
  };
  eventbridge?: { apiKeys: string[]; regions: string[] };
  alertmanager?: {
    tokens: string[];
    dimensions: DimensionByLabel;
    url?: string;
    /** Bearer token for Alertmanager's own API. */
    apiToken?: string;
  };
  webhook?: { secrets: Uint8Array[] };
}

const TOPIC_ARN = /^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[\w-]{1,256}$/;
const HOST = /^[a-z0-9.-]+(:\d{1,5})?$/;
const REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;
/** 24 random bytes in base64 are 32 characters. */
const KEY = /^[A-Za-z0-9._~+/=-]{32,512}$/;
const PAIR = /^[A-Za-z_][A-Za-z0-9_]{0,254}=[\w.:-]{1,255}$/;
/** CloudWatch's limit, which every alarm is held to. */
const MAX_DIMENSIONS = 30;
/** One in use, one to come, and room to be late. */
const MAX_KEYS = 4;

const list = (problem: string, max: number, isGood: (item: string) => boolean) =>
  z
    .string(problem)
    .transform((text) => text.split(',').map((item) => item.trim()))
    .refine((items) => items.length <= max && items.every(isGood), { error: problem });
const keys = list(
  `must be 1 to ${MAX_KEYS} keys of 32 to 512 letters, digits or ._~+/=- each, separated by commas`,
  MAX_KEYS,
  (key) => KEY.test(key),
);
const CREDENTIALS = [
  'SNS_TOPIC_ARNS',
  'EVENTBRIDGE_API_KEYS',
  'ALERTMANAGER_TOKENS',
  'STANDARD_WEBHOOKS_SECRETS',
] as const;

export const senderVariables = z
  .object({
    SNS_TOPIC_ARNS: list('must be SNS topic ARNs, separated by commas', 1_000, (arn) =>
      TOPIC_ARN.test(arn),
    ).optional(),
    SNS_SIGNING_HOST: z.string().regex(HOST, 'must be a host, or host:port').optional(),
    SNS_CA_FILE: z.string().min(1).optional(),
    EVENTBRIDGE_API_KEYS: keys.optional(),
    EVENTBRIDGE_REGIONS: list(
      'must be regions such as eu-west-1, separated by commas',
      50,
      (name) => REGION.test(name),
    ).optional(),
    ALERTMANAGER_TOKENS: keys.optional(),
    ALERTMANAGER_URL: httpUrl.optional(),
    ALERTMANAGER_API_TOKEN: z.string().min(1).optional(),
    ALERTMANAGER_DIMENSIONS: list(
      'must be label=dimension pairs such as thing=ThingName, separated by commas',
      MAX_DIMENSIONS,
      (pair) => PAIR.test(pair),
    ).default(['thing=ThingName']),
    STANDARD_WEBHOOKS_SECRETS: list(
      `must be 1 to ${MAX_KEYS} secrets, each whsec_ and 24 to 64 bytes in base64, separated by commas`,
      MAX_KEYS,
      (secret) => readSecret(secret) !== null,
    ).optional(),
  })
  .refine((vars) => CREDENTIALS.some((name) => vars[name] !== undefined), {
    path: [CREDENTIALS[0]],
    error: `must be set, or one of ${CREDENTIALS.slice(1).join(', ')}: no sender has a credential`,
    when: () => true,
  })
  .refine(
    (vars) =>
      (vars.EVENTBRIDGE_API_KEYS === undefined) === (vars.EVENTBRIDGE_REGIONS === undefined),
    {
      path: ['EVENTBRIDGE_REGIONS'],
      error: 'must be given together with EVENTBRIDGE_API_KEYS: the regions whose alarms are taken',
    },
  )
  .refine((vars) => vars.ALERTMANAGER_URL === undefined || vars.ALERTMANAGER_TOKENS !== undefined, {
    path: ['ALERTMANAGER_URL'],
    error: 'does nothing without ALERTMANAGER_TOKENS',
  });

export function senderSettings(vars: z.infer<typeof senderVariables>): SenderSettings {
  const { ALERTMANAGER_URL: url, ALERTMANAGER_API_TOKEN: apiToken } = vars;
  return {
    ...(vars.SNS_TOPIC_ARNS !== undefined && {
      sns: {
        topics: vars.SNS_TOPIC_ARNS.map((arn) => allowTopic(arn, vars.SNS_SIGNING_HOST)),
        ...(vars.SNS_CA_FILE !== undefined && { caFile: vars.SNS_CA_FILE }),
      },
    }),
    ...(vars.EVENTBRIDGE_API_KEYS !== undefined && {
      eventbridge: {
        apiKeys: vars.EVENTBRIDGE_API_KEYS,
        regions: vars.EVENTBRIDGE_REGIONS ?? [],
      },
    }),
    ...(vars.ALERTMANAGER_TOKENS !== undefined && {
      alertmanager: {
        tokens: vars.ALERTMANAGER_TOKENS,
        dimensions: Object.fromEntries(vars.ALERTMANAGER_DIMENSIONS.map((pair) => splitPair(pair))),
        ...(url !== undefined && { url }),
        ...(apiToken !== undefined && { apiToken }),
      },
    }),
    ...(vars.STANDARD_WEBHOOKS_SECRETS !== undefined && {
      webhook: {
        secrets: vars.STANDARD_WEBHOOKS_SECRETS.flatMap((secret) => readSecret(secret) ?? []),
      },
    }),
  };
}

function splitPair(pair: string): [label: string, dimension: string] {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function allowTopic(arn: string, signingHost: string | undefined): AllowedTopic {
  const [, partition, region = ''] = TOPIC_ARN.exec(arn) ?? [];
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  return { arn, region, signingHost: signingHost ?? `sns.${region}.${suffix}` };
}
