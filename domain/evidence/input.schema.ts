import { z } from 'zod';
import { durationProblem, parseDuration } from '../duration';
import { logsId } from '../ids';
import { listIssues } from '../issues';
import { THING_NAME } from '../names';
import type { InputIssue } from '../quarantine/types';
import {
  COLLECT_LOGS_SETTINGS,
  type CollectLogsPlan,
  type CollectLogsRunbook,
  type CollectLogsSetting,
} from './collect-logs';
import { INCIDENT } from './keys';

const duration = z.string().max(32).optional();

const collectLogsInput = z.strictObject({
  thing: z.string().regex(THING_NAME, 'must be a thing name: 1 to 128 letters, digits, `_` or `-`'),
  reason: z
    .string()
    .max(512, 'must have at most 512 characters')
    .refine((text) => text.trim() !== '', 'must say why, in a few words'),
  requestedBy: z.string().trim().min(1).max(128).optional(),
  incident: z
    .string()
    .regex(INCIDENT, 'must be up to four names with `/` between, such as `device/pump-1`')
    .optional(),
  hashRoots: z
    .array(z.string().regex(/^[a-z0-9-]{1,32}$/))
    .max(8)
    .optional(),
  settings: z
    .strictObject({
      stepTimeout: duration,
      lookBack: duration,
      waitForDevice: duration,
      uploadFor: duration,
    } satisfies Record<CollectLogsSetting, unknown>)
    .optional(),
});

export type CollectLogsResolution =
  { ok: true; plan: CollectLogsPlan } | { ok: false; issues: InputIssue[] };

/** Checks what a person typed against schema, limits and the run's own id, and pins every setting. Never throws. */
export function resolveCollectLogs(
  input: unknown,
  workflowId: string,
  runbook: CollectLogsRunbook,
): CollectLogsResolution {
  const parsed = collectLogsInput.safeParse(input);
  if (!parsed.success) return { ok: false, issues: listIssues(parsed.error, 'input') };
  const { thing, incident, reason, requestedBy, hashRoots, settings } = parsed.data;
  const issues = idIssues(thing, workflowId);
  const pin = (name: CollectLogsSetting): number => {
    const limits = runbook.settings[name];
    const text = settings?.[name];
    if (text === undefined) return limits.defaultMs;
    const ms = parseDuration(text);
    const problem = durationProblem(ms, limits);
    if (problem !== null) issues.push({ field: `settings.${name}`, problem });
    return ms ?? limits.defaultMs;
  };
  const [stepTimeoutMs, lookBackMs, waitForDeviceMs, uploadForMs] = [
    ...COLLECT_LOGS_SETTINGS.map(pin),
  ] as [number, number, number, number];
  if (issues.length > 0) return { ok: false, issues };
  const plan: CollectLogsPlan = {
    ...{ thing, reason, requestedBy: requestedBy ?? 'not stated' },
    incident: incident ?? `device/${thing}`,
    hashRoots: hashRoots ?? runbook.hashRoots,
    maxBundleBytes: runbook.maxBundleBytes,
    legalHold: runbook.legalHold,
    ...{ stepTimeoutMs, lookBackMs, waitForDeviceMs, uploadForMs },
  };
  return { ok: true, plan };
}

/** One collection, one id: a number that is taken is refused by Temporal while the run is kept. */
function idIssues(thing: string, workflowId: string): InputIssue[] {
  const number = /\/([1-9]\d{0,8})$/.exec(workflowId)?.[1];
  if (number !== undefined && workflowId === logsId(thing, Number(number))) return [];
  const problem = `must be \`${logsId(thing, 1)}\`, or another number that was not used yet`;
  return [{ field: 'workflowId', problem }];
}
