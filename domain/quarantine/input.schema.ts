import { z } from 'zod';

import { alarmSchema } from '../alarm/alarm.schema';
import { durationProblem, parseDuration } from '../duration';
import { quarantineId } from '../ids';
import { listIssues } from '../issues';
import { THING_NAME } from '../names';
import type { QuarantineRunbook } from '../runbook';
import { severitySchema } from '../runbook.schema';
import type { InputIssue, QuarantinePlan, QuarantineSetting } from './types';

const thing = z
  .string()
  .regex(THING_NAME, 'must be a thing name: 1 to 128 letters, digits, `_` or `-`');
const reason = z
  .string()
  .max(512, 'must have at most 512 characters')
  .refine((text) => text.trim() !== '', 'must say why, in a few words');
const duration = z.string().max(32).optional();

/** `QuarantineInput`, and nothing else: a mistyped field must not be ignored by a runbook that cuts off a device. */
export const quarantineInput = z.strictObject({
  thing,
  reason,
  requestedBy: z.string().trim().min(1).max(128).optional(),
  severity: severitySchema.optional(),
  dryRun: z.boolean().optional(),
  alarm: alarmSchema.optional(),
  adopt: z.boolean().optional(),
  settings: z
    .strictObject({
      stepTimeout: duration,
      approveWithin: duration,
      propagation: duration,
      proveWithin: duration,
      debugLogsFor: duration,
      holdFor: duration,
      probation: duration,
    } satisfies Record<QuarantineSetting, unknown>)
    .optional(),
});

export type QuarantineResolution =
  { ok: true; plan: QuarantinePlan } | { ok: false; issues: InputIssue[] };

/**
 * Checks what a person or an intake typed against the schema, the runbook's limits and the run's own id, and
 * pins every setting. Never throws; every wrong field is named at once.
 */
export function resolveQuarantine(
  input: unknown,
  workflowId: string,
  runbook: QuarantineRunbook,
): QuarantineResolution {
  const parsed = quarantineInput.safeParse(input);
  if (!parsed.success) {
    const issues = listIssues(parsed.error, 'input');
    return { ok: false, issues: [...issues, ...idIssues(readThing(input), workflowId)] };
  }
  const { settings, issues } = pinSettings(parsed.data.settings ?? {}, runbook);
  const allIssues = [...issues, ...idIssues(parsed.data.thing, workflowId)];
  if (allIssues.length > 0) return { ok: false, issues: allIssues };
  return { ok: true, plan: { ...planOf(parsed.data), ...settings } };
}

/** The id is the lock of the device, and free text in Temporal's form. */
function idIssues(subject: string | null, workflowId: string): InputIssue[] {
  if (subject === null || workflowId === quarantineId(subject)) return [];
  return [
    {
      field: 'workflowId',
      problem: `must be \`${quarantineId(subject)}\`: the id is the device's lock`,
    },
  ];
}

/** The thing, where at least that much of a wrong input is right. */
export function readThing(input: unknown): string | null {
  const found = z.object({ thing }).safeParse(input);
  return found.success ? found.data.thing : null;
}

type PinnedSettings = Pick<QuarantinePlan, `${QuarantineSetting}Ms`>;

function pinSettings(
  overrides: { [Name in QuarantineSetting]?: string | undefined },
  runbook: QuarantineRunbook,
): { settings: PinnedSettings; issues: InputIssue[] } {
  const issues: InputIssue[] = [];
  const pin = (name: QuarantineSetting): number => {
    const limits = runbook.settings[name];
    const text = overrides[name];
    if (text === undefined) return limits.defaultMs;
    const ms = parseDuration(text);
    const problem = durationProblem(ms, limits);
    if (problem !== null) issues.push({ field: `settings.${name}`, problem });
    return ms ?? limits.defaultMs;
  };
  const settings = {
    stepTimeoutMs: pin('stepTimeout'),
    approveWithinMs: pin('approveWithin'),
    propagationMs: pin('propagation'),
    proveWithinMs: pin('proveWithin'),
    debugLogsForMs: pin('debugLogsFor'),
    holdForMs: pin('holdFor'),
    probationMs: pin('probation'),
  };
  return { settings, issues };
}

function planOf(input: z.infer<typeof quarantineInput>) {
  const alarmed = input.alarm === undefined ? null : `alarm ${input.alarm.name}`;
  return {
    thing: input.thing,
    reason: input.reason,
    requestedBy: input.requestedBy ?? alarmed ?? 'not stated',
    severity: input.severity ?? ('high' as const),
    dryRun: input.dryRun ?? false,
    adopt: input.adopt ?? false,
  };
}
