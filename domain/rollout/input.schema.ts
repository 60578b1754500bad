import { z } from 'zod';

import { TARGET_NAME } from '../device-protocol/release-target';
import { durationProblem, parseDuration } from '../duration';
import { countQueries, MAX_QUERIES, SELECTOR_VALUE } from '../fleet/selector';
import { stagedOtaId } from '../ids';
import { listIssues } from '../issues';
import type { InputIssue } from '../quarantine/types';
import { recordOf } from '../record';
import type { NumberSetting, StagedOtaRunbook } from '../runbook';
import {
  STAGED_OTA_DURATIONS,
  STAGED_OTA_NUMBERS,
  WEEKDAYS,
  type RolloutSettings,
  type Selector,
  type StagedOtaDuration,
  type StagedOtaNumber,
  type Window,
} from './types';
import { wavesProblem } from './waves';

const MAX_VALUES = 10_000;
const release = z
  .string()
  .max(256)
  .regex(TARGET_NAME, 'must be a target of the release repository, such as pump/1.4.0.tar');
const values = z
  .array(z.string().regex(SELECTOR_VALUE, 'must be a plain value: there are no wildcards'))
  .min(1, 'must not be empty: leave the field out instead')
  .max(MAX_VALUES)
  .optional();
const selector = z
  .strictObject({
    things: values,
    sites: values,
    hardware: values,
    groups: values,
    versions: values,
  } satisfies Record<keyof Selector, unknown>)
  .refine(
    (fields) => Object.values(fields).some((each) => each !== undefined),
    'must name devices: an empty selector means none',
  );
const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 01:30');
const window = z
  .strictObject({
    from: clock,
    to: clock,
    days: z
      .array(z.enum(WEEKDAYS, `must be of ${WEEKDAYS.join(', ')}`))
      .min(1, 'must not be empty: such a window never opens')
      .max(7)
      .optional(),
  })
  .refine(({ from, to }) => from !== to, 'never opens: `from` and `to` are the same');
const waves = z.array(z.union([z.number(), z.string().max(32)])).max(50);

/** `StagedOtaInput`, and nothing else: a mistyped field must not be ignored by what updates a fleet. */
export const stagedOtaInput = z.strictObject({
  release,
  selector,
  reason: z
    .string()
    .max(512)
    .refine((text) => text.trim() !== '', 'must say why, in a few words'),
  requestedBy: z.string().trim().min(1).max(128).optional(),
  emergency: z.boolean().optional(),
  dryRun: z.boolean().optional(),
  planHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the hash that a dry run returned')
    .optional(),
  waves: waves.optional(),
  window: window.optional(),
  settings: z
    .strictObject({
      ...recordOf(STAGED_OTA_DURATIONS, z.string().max(32).optional()),
      ...recordOf(STAGED_OTA_NUMBERS, z.number().optional()),
    })
    .optional(),
});

export type RolloutResolution =
  { ok: true; settings: RolloutSettings } | { ok: false; issues: InputIssue[] };

/**
 * Checks what a person typed against the schema, the runbook's limits and the run's own id, and pins every setting.
 * Never throws; every wrong field is named at once.
 */
export function resolveStagedOta(
  input: unknown,
  workflowId: string,
  runbook: StagedOtaRunbook,
): RolloutResolution {
  const parsed = stagedOtaInput.safeParse(input);
  if (!parsed.success) {
    const named = z.object({ release }).safeParse(input);
    const issues = listIssues(parsed.error, 'input');
    const id = named.success ? idIssues(named.data.release, workflowId) : [];
    return { ok: false, issues: [...issues, ...id] };
  }
  const { data } = parsed;
  const issues = idIssues(data.release, workflowId);
  const wavesAre = data.waves ?? runbook.waves;
  const wrongWaves = wavesProblem(wavesAre);
  if (wrongWaves !== null) issues.push({ field: 'waves', problem: wrongWaves });
  const queries = countQueries(defined(data.selector));
  if (queries > MAX_QUERIES) issues.push({ field: 'selector', problem: tooManyQueries(queries) });
  const pinned = pin(data, runbook, issues);
  if (issues.length > 0) return { ok: false, issues };
  return { ok: true, settings: settingsOf(data, wavesAre, pinned, runbook) };
}

const tooManyQueries = (queries: number): string =>
  `needs ${queries} queries of the fleet index, at most ${MAX_QUERIES}: several long lists multiply, name devices by one`;

/** The id is the lock of the release, and free text in Temporal's form. */
function idIssues(name: string, workflowId: string): InputIssue[] {
  if (workflowId === stagedOtaId(name)) return [];
  return [
    {
      field: 'workflowId',
      problem: `must be \`${stagedOtaId(name)}\`: the id is the release's lock`,
    },
  ];
}

type Parsed = z.infer<typeof stagedOtaInput>;
type Pinned = Record<StagedOtaDuration | StagedOtaNumber, number>;

function pin({ settings = {} }: Parsed, runbook: StagedOtaRunbook, issues: InputIssue[]): Pinned {
  const durations = STAGED_OTA_DURATIONS.map((name): [string, number] => {
    const limits = runbook.settings[name];
    const text = settings[name];
    if (text === undefined) return [name, limits.defaultMs];
    const ms = parseDuration(text);
    const problem = durationProblem(ms, limits);
    if (problem !== null) issues.push({ field: `settings.${name}`, problem });
    return [name, ms ?? limits.defaultMs];
  });
  const numbers = STAGED_OTA_NUMBERS.map((name): [string, number] => {
    const limits = runbook.settings[name];
    const value = settings[name] ?? limits.default;
    const problem = numberProblem(value, limits);
    if (problem !== null) issues.push({ field: `settings.${name}`, problem });
    return [name, value];
  });
  return Object.fromEntries([...durations, ...numbers]) as Pinned;
}

function numberProblem(value: number, { min, max }: NumberSetting): string | null {
  const sound = Number.isInteger(value) && value >= min && value <= max;
  return sound ? null : `must be a whole number from ${min} to ${max}`;
}

function settingsOf(
  data: Parsed,
  waveSizes: (number | string)[],
  pinned: Pinned,
  { onAbort, approval, gate, metrics }: StagedOtaRunbook,
): RolloutSettings {
  const { emergency = false } = data;
  return {
    release: data.release,
    selector: defined(data.selector),
    reason: data.reason,
    requestedBy: data.requestedBy ?? 'not stated',
    emergency,
    dryRun: data.dryRun ?? false,
    planHash: data.planHash ?? null,
    waves: waveSizes,
    window: data.window === undefined ? null : windowOf(data.window),
    stepTimeoutMs: pinned.stepTimeout,
    approveWithinMs: pinned.approveWithin,
    soakMs: emergency ? pinned.emergencySoak : pinned.soak,
    queuedForMs: pinned.queuedFor,
    inProgressForMs: pinned.inProgressFor,
    settleWithinMs: pinned.settleWithin,
    lookEveryMs: pinned.lookEvery,
    measureEveryMs: pinned.measureEvery,
    noDataForMs: pinned.noDataFor,
    penaltyForMs: pinned.penaltyFor,
    penaltyFailures: pinned.penaltyFailures,
    inFlight: pinned.inFlight,
    minReachedPercent: pinned.minReachedPercent,
    retriesNetwork: pinned.retriesNetwork,
    retriesInstall: pinned.retriesInstall,
    ...{ onAbort, approval, gate, metrics },
  };
}

const windowOf = ({ from, to, days }: z.infer<typeof window>): Window => ({
  ...{ from, to },
  ...(days !== undefined && { days }),
});

function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
