import { z } from 'zod';

import { DURATION_EXAMPLES, formatDuration, parseDuration } from './duration';
import type { CollectLogsRunbook, CollectLogsSetting } from './evidence/collect-logs';
import type { QuarantineSetting } from './quarantine/types';
import type { QuarantineRunbook, RunbookName, Runbooks, StagedOtaRunbook } from './runbook';
import { checkGate, gateFields } from './rollout/gate.schema';
import { recordOf } from './record';
import { STAGED_OTA_DURATIONS, STAGED_OTA_NUMBERS } from './rollout/types';
import { wavesProblem } from './rollout/waves';

const MAX_ROUTES = 100;
const ALARM_SYSTEMS = ['cloudwatch', 'alertmanager', 'webhook'] as const;
const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export const severitySchema = z.enum(SEVERITIES, `must be one of ${SEVERITIES.join(', ')}`);

const durationMs = z
  .string(`must be a duration such as ${DURATION_EXAMPLES}`)
  .transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== null) return ms;
    context.addIssue({
      code: 'custom',
      message: `must be a duration such as ${DURATION_EXAMPLES}`,
    });
    return z.NEVER;
  });

const durationSetting = z
  .strictObject({ default: durationMs, min: durationMs, max: durationMs })
  .superRefine((setting, context) => {
    const range = `${formatDuration(setting.min)} to ${formatDuration(setting.max)}`;
    if (setting.min > setting.max) {
      context.addIssue({ code: 'custom', path: ['min'], message: 'must not be above max' });
    } else if (setting.default < setting.min || setting.default > setting.max) {
      context.addIssue({ code: 'custom', path: ['default'], message: `must be within ${range}` });
    }
  })
  .transform((setting) => ({
    defaultMs: setting.default,
    minMs: setting.min,
    maxMs: setting.max,
  }));

/** A pattern of stars alone would let any alarm of the account start a runbook. */
const alarmPattern = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^*]*(\*[^*]+){0,3}\*?$/, 'may hold at most 4 stars, none beside another')
  .regex(/^[^*/]{3,}/, 'must begin with at least 3 literal characters');

const routeRule = z.strictObject({
  alarm: alarmPattern,
  sources: z
    .array(z.enum(ALARM_SYSTEMS, `must be of ${ALARM_SYSTEMS.join(', ')}`))
    .min(1, 'must name at least one source')
    .default(['cloudwatch']),
  verify: z.enum(['source', 'sender'], 'must be source or sender').default('source'),
  accounts: z.union(
    [z.literal('any'), z.array(z.string().regex(/^\d{12}$/)).min(1)],
    'must be `any` or a list of quoted 12-digit account ids',
  ),
  regions: z.union(
    [z.literal('any'), z.array(z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/)).min(1)],
    'must be `any` or a list of regions such as eu-west-1',
  ),
  subject: z.string().min(1).max(255),
  severity: severitySchema,
});

export const quarantineRunbook = z
  .strictObject({
    routes: z.array(routeRule).max(MAX_ROUTES),
    settings: z.strictObject({
      stepTimeout: durationSetting,
      approveWithin: durationSetting,
      propagation: durationSetting,
      proveWithin: durationSetting,
      debugLogsFor: durationSetting,
      holdFor: durationSetting,
      probation: durationSetting,
    } satisfies Record<QuarantineSetting, unknown>),
  })
  .transform((runbook): QuarantineRunbook => ({ name: 'quarantine', ...runbook }));

/** The agent's own limit is less; a copy within S3 in one call takes more. */
const MOST_BUNDLE_BYTES = 100_000_000;

const collectLogsRunbook = z
  .strictObject({
    settings: z.strictObject({
      stepTimeout: durationSetting,
      lookBack: durationSetting,
      waitForDevice: durationSetting,
      uploadFor: durationSetting,
    } satisfies Record<CollectLogsSetting, unknown>),
    maxBundleBytes: z.int().min(1).max(MOST_BUNDLE_BYTES),
    hashRoots: z.array(z.string().regex(/^[a-z0-9-]{1,32}$/)).max(8),
    legalHold: z.boolean(),
  })
  .transform((runbook): CollectLogsRunbook => ({ name: 'collectLogs', ...runbook }));

const numberSetting = z
  .strictObject({ default: z.int(), min: z.int().min(0), max: z.int() })
  .refine((setting) => setting.min <= setting.default && setting.default <= setting.max, {
    path: ['default'],
    error: 'must be within min and max',
  });

const percent = z.int().min(0).max(100);

const stagedOtaRunbook = z
  .strictObject({
    waves: z.array(z.union([z.number(), z.string().max(32)])).max(50),
    settings: z.strictObject({
      ...recordOf(STAGED_OTA_DURATIONS, durationSetting),
      ...recordOf(STAGED_OTA_NUMBERS, numberSetting),
    }),
    onAbort: z.enum(['rollback', 'hold'], 'must be rollback or hold'),
    approval: z.strictObject({ count: z.int().min(0), percent, approvers: z.int().min(1).max(5) }),
    ...gateFields,
  })
  .superRefine((runbook, context) => {
    const problem = wavesProblem(runbook.waves);
    if (problem !== null) context.addIssue({ code: 'custom', path: ['waves'], message: problem });
    checkGate(runbook, context);
  })
  .transform((runbook): StagedOtaRunbook => ({ name: 'stagedOta', ...runbook }));

export const RUNBOOK_SCHEMAS: { [Name in RunbookName]: z.ZodType<Runbooks[Name]> } = {
  quarantine: quarantineRunbook,
  collectLogs: collectLogsRunbook,
  stagedOta: stagedOtaRunbook,
};
