import { basename } from 'node:path';
import { z } from 'zod';
import { TARGET_NAME } from '../../../domain/device-protocol/release-target';
import {
  awsRegion,
  httpUrl,
  parseConfig,
  parseEnvironment,
  wholeNumber,
} from '../../../domain/environment';
import { MAX_TARGET_NAME } from '../../../activities/release/releases';

export interface ReleaseCliConfig {
  /** Opens encrypted keys; `--passphrase-file` goes before it. */
  passphrase: string | null;
  /** Null where it is not set: only `s3://` needs it. */
  awsRegion: string | null;
  awsEndpoint?: string;
}

const variables = z.object({
  RELEASE_PASSPHRASE: z.string().min(1).optional(),
  AWS_REGION: awsRegion.optional(),
  AWS_ENDPOINT_URL: httpUrl.optional(),
});

/** The only place that knows the variable names; an empty variable counts as absent. */
export function loadConfig(env: NodeJS.ProcessEnv): ReleaseCliConfig {
  const vars = parseEnvironment(variables, env);
  return {
    passphrase: vars.RELEASE_PASSPHRASE ?? null,
    awsRegion: vars.AWS_REGION ?? null,
    ...(vars.AWS_ENDPOINT_URL !== undefined && { awsEndpoint: vars.AWS_ENDPOINT_URL }),
  };
}

const path = z.string().min(1, 'must be a path').max(4_096);
const paths = z.array(path).min(1).max(64);
const dir = path.default('releases');
const passphraseFile = path.optional();
const flag = z.boolean().default(false);
const days = wholeNumber(1, 3_650);

const commaList = <Item extends z.ZodType<string, string>>(item: Item) =>
  z
    .string()
    .transform((text) => text.split(',').map((each) => each.trim()))
    .pipe(z.array(item).min(1).max(64))
    .refine((all) => new Set(all).size === all.length, 'names one twice');

const initOptions = z
  .object({
    dir,
    keys: path,
    threshold: wholeNumber(1, 20).default(2),
    rootKeys: wholeNumber(1, 20).default(3),
    targetsKeys: wholeNumber(1, 20).default(3),
    rootDays: days.default(365),
    targetsDays: days.default(90),
    snapshotDays: days.default(7),
    timestampDays: days.default(3),
    passphraseFile,
  })
  .refine(({ threshold, rootKeys }) => threshold <= rootKeys, {
    path: ['rootKeys'],
    error: 'must be at least --threshold',
  })
  .refine(({ threshold, targetsKeys }) => threshold <= targetsKeys, {
    path: ['targetsKeys'],
    error: 'must be at least --threshold',
  });
export type InitOptions = z.infer<typeof initOptions>;

const hardware = z
  .string()
  .regex(/^[^\p{C}]{1,64}$/u, 'must be 1 to 64 characters, as devices report it');
const version = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9.+_-]{0,63}$/,
    'must be 1 to 64 of a-z A-Z 0-9 . + _ -, not starting with a sign',
  );
const number = (low: number) => wholeNumber(low, 999_999_999).optional();

const addOptions = z
  .object({
    file: path,
    dir,
    version,
    hardware: commaList(hardware),
    name: z
      .string()
      .max(MAX_TARGET_NAME)
      .regex(
        TARGET_NAME,
        'must be a path such as pump/1.4.0.tar: letters, digits, ".", "_", "-", no part starting with a dot',
      )
      .optional(),
    securityEpoch: number(0),
    release: number(1),
    minimumRelease: number(1),
    revertsTo: commaList(version).optional(),
    /** `--no-revert`: false. */
    revert: z.boolean().default(true),
  })
  .refine(({ revert, revertsTo }) => revert || revertsTo === undefined, {
    path: ['revertsTo'],
    error: 'can’t stand with --no-revert',
  })
  .transform((options, context) => {
    const name = options.name ?? basename(options.file);
    if (TARGET_NAME.test(name)) return { ...options, name };
    context.addIssue({
      code: 'custom',
      path: ['name'],
      message: 'must be given: the name of this file can’t be one',
    });
    return z.NEVER;
  });
export type AddOptions = z.infer<typeof addOptions>;

const signOptions = z
  .object({
    dir,
    keys: paths.optional(),
    merge: paths.optional(),
    renew: z.enum(['targets', 'root'], 'must be targets or root').optional(),
    dryRun: flag,
    passphraseFile,
  })
  .refine(({ keys, merge, dryRun }) => dryRun || keys !== undefined || merge !== undefined, {
    path: ['keys'],
    error: 'must name the keys to sign with (or --merge a copy that others signed)',
  })
  .refine(({ renew, dryRun }) => !dryRun || renew === undefined, {
    path: ['dryRun'],
    error: 'can’t stand with --renew, which stages anew',
  });
export type SignOptions = z.infer<typeof signOptions>;

/** `s3://bucket/prefix`, an http or https URL, or a folder. */
export type Place =
  | { kind: 's3'; bucket: string; prefix: string }
  | { kind: 'url'; url: string }
  | { kind: 'folder'; path: string };

const place = path.transform((text, context): Place => {
  if (/^https?:\/\//.test(text)) return { kind: 'url', url: text };
  if (!text.includes('://')) return { kind: 'folder', path: text };
  const found = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(text);
  const prefix = (found?.[2] ?? '').replace(/\/+$/, '');
  if (found?.[1] !== undefined && (prefix === '' || TARGET_NAME.test(prefix))) {
    return { kind: 's3', bucket: found[1], prefix };
  }
  context.addIssue({ code: 'custom', message: 'must be a folder or s3://bucket/prefix' });
  return z.NEVER;
});

const publishOptions = z.object({
  dir,
  to: place.refine(({ kind }) => kind !== 'url', 'must be a folder or s3://bucket/prefix'),
  onlineKeys: paths,
  refresh: flag,
  dryRun: flag,
  passphraseFile,
});
export type PublishOptions = z.infer<typeof publishOptions>;

const verifyOptions = z.object({
  root: path,
  from: place,
  /** `--no-artifacts`: false. */
  artifacts: z.boolean().default(true),
});
export type VerifyOptions = z.infer<typeof verifyOptions>;

const parser =
  <Schema extends z.ZodType>(schema: Schema) =>
  (raw: unknown): z.output<Schema> =>
    parseConfig(schema, raw, 'The options are wrong');
export const parseInitOptions = parser(initOptions);
export const parseAddOptions = parser(addOptions);
export const parseSignOptions = parser(signOptions);
export const parsePublishOptions = parser(publishOptions);
export const parseVerifyOptions = parser(verifyOptions);
