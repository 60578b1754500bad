import { z } from 'zod';
import { THING_NAME } from '../domain/names';
import { parseJson } from './errors';
import {
  diagnosticsSettings,
  milliseconds,
  readableFile,
  updatesSettings,
  watchdogSettings,
} from './settings';

const version = z.string().min(1).max(64);

const backoff = (baseMs: number, capMs: number) =>
  z
    .strictObject({ baseMs: milliseconds.default(baseMs), capMs: milliseconds.default(capMs) })
    .prefault({});
const backoffUntilStable = (baseMs: number, capMs: number, stableAfterMs: number) =>
  z
    .strictObject({
      baseMs: milliseconds.default(baseMs),
      capMs: milliseconds.default(capMs),
      stableAfterMs: milliseconds.default(stableAfterMs),
    })
    .prefault({});

const application = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  graceMs: milliseconds.default(5_000),
  restart: backoffUntilStable(1_000, 60_000, 30_000),
  maxLinesPerSecond: z.int().min(1).max(100_000).default(1_000),
});

/** One agent, as `host/main.ts` reads it from JSON and `loadConfig` makes it from the environment. */
export const agentConfig = z.strictObject({
  thing: z.string().regex(THING_NAME, 'must be 1 to 128 of a-z A-Z 0-9 _ -'),
  host: z.string().min(1),
  port: z.int().min(1).max(65_535).default(8883),
  caFile: readableFile,
  certFile: readableFile,
  keyFile: readableFile,
  /** Keeps the journal; a folder of this agent alone. */
  stateDir: z.string().min(1),
  protocolVersion: z.union([z.literal(4), z.literal(5)]).default(5),
  firmwareVersion: version,
  hardwareVersion: version,
  /** Reported until the application says something else of itself. */
  health: z.enum(['healthy', 'degraded', 'unhealthy']).default('healthy'),
  telemetryIntervalMs: milliseconds.default(30_000),
  /** Between messages out of turn: a change of state, refusals seen. */
  minGapMs: milliseconds.default(1_000),
  keepaliveSeconds: z.int().min(5).max(1_200).default(30),
  connectTimeoutMs: milliseconds.default(10_000),
  answerTimeoutMs: milliseconds.default(10_000),
  reconnect: backoffUntilStable(500, 60_000, 30_000),
  /** MQTT 3.1.1: how long a channel stays quiet after its message closed the connection. */
  quiet: backoff(2_000, 300_000),
  jobs: z
    .strictObject({ retry: backoff(200, 5_000), retryLaterMs: milliseconds.default(30_000) })
    .prefault({}),
  publishing: z
    .strictObject({
      maxPerSecond: z.int().min(1).max(1_000).default(50),
      maxQueued: z.int().min(1).max(100_000).default(200),
      maxInFlight: z.int().min(1).max(100).default(10),
    })
    .prefault({}),
  application: application.nullable().default(null),
  watchdog: watchdogSettings.prefault({}),
  updates: updatesSettings.nullable().default(null),
  diagnostics: diagnosticsSettings.prefault({}),
});
export type AgentConfig = z.infer<typeof agentConfig>;

export class InvalidConfigError extends Error {
  constructor(readonly problems: string[]) {
    super(`invalid configuration:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'InvalidConfigError';
  }
}

/** The variables, what each fills and what it is for: `--help` prints this table. */
export const VARIABLES = [
  ['AGENT_THING', 'thing', 'thing name, which is the client id, too'],
  ['AGENT_HOST', 'host', 'MQTT endpoint: aws iot describe-endpoint --endpoint-type iot:Data-ATS'],
  ['AGENT_PORT', 'port', 'default 8883; 443 works, too'],
  ['AGENT_CA_FILE', 'caFile', 'PEM of the CA that signed the endpoint’s certificate'],
  ['AGENT_CERT_FILE', 'certFile', 'PEM of the device certificate'],
  ['AGENT_KEY_FILE', 'keyFile', 'PEM of its private key'],
  ['AGENT_STATE_DIR', 'stateDir', 'folder that keeps the journal'],
  ['AGENT_MQTT_VERSION', 'protocolVersion', '5 (default) or 3.1.1'],
  ['AGENT_FIRMWARE_VERSION', 'firmwareVersion', 'reported in shadow and telemetry'],
  ['AGENT_HARDWARE_VERSION', 'hardwareVersion', 'reported in shadow and telemetry'],
  [
    'AGENT_HEALTH',
    'health',
    'until the application reports: healthy (default), degraded, unhealthy',
  ],
  ['AGENT_TELEMETRY_MS', 'telemetryIntervalMs', 'between telemetry messages, default 30000'],
  ['AGENT_RECONNECT_BASE_MS', 'reconnect.baseMs', 'first ceiling of the back-off, default 500'],
  ['AGENT_RECONNECT_CAP_MS', 'reconnect.capMs', 'highest ceiling of the back-off, default 60000'],
  ['AGENT_APP_COMMAND', 'application.command', 'program to supervise; without it there is none'],
  ['AGENT_APP_ARGS', 'application.args', 'its arguments as a JSON array'],
  ['AGENT_APP_ENV', 'application.env', 'its whole environment, beside PATH, as a JSON object'],
  ['AGENT_APP_GRACE_MS', 'application.graceMs', 'from SIGTERM to SIGKILL, default 5000'],
  ['AGENT_WATCHDOG', 'watchdog', 'when a wedged agent is started anew, a JSON object'],
  ['AGENT_UPDATES', 'updates', 'signed updates, a JSON object; without it there are none'],
  ['AGENT_DIAGNOSTICS', 'diagnostics', 'what may be collected and uploaded where, a JSON object'],
  ['AGENT_APP_MAX_PER_SECOND', 'publishing.maxPerSecond', 'messages taken from it, default 50'],
] as const satisfies readonly (readonly [string, string, string])[];
type Variable = (typeof VARIABLES)[number][0];

const asNumber = (text: string): unknown => (text.trim() === '' ? text : Number(text));
const READERS: Partial<Record<Variable, (text: string) => unknown>> = {
  AGENT_PORT: asNumber,
  AGENT_MQTT_VERSION: (text) => (text === '3.1.1' ? 4 : asNumber(text)),
  AGENT_TELEMETRY_MS: asNumber,
  AGENT_RECONNECT_BASE_MS: asNumber,
  AGENT_RECONNECT_CAP_MS: asNumber,
  AGENT_APP_ARGS: parseJson,
  AGENT_APP_ENV: parseJson,
  AGENT_WATCHDOG: parseJson,
  AGENT_UPDATES: parseJson,
  AGENT_DIAGNOSTICS: parseJson,
  AGENT_APP_GRACE_MS: asNumber,
  AGENT_APP_MAX_PER_SECOND: asNumber,
};

/** The only place that knows the variable names. One InvalidConfigError names everything that is wrong. */
export function loadConfig(env: Record<string, string | undefined>): AgentConfig {
  const raw: Record<string, unknown> = {};
  for (const [name, path] of VARIABLES) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    put(raw, path.split('.'), READERS[name]?.(text) ?? text);
  }
  const parsed = agentConfig.safeParse(raw);
  if (!parsed.success) {
    throw new InvalidConfigError(parsed.error.issues.map((issue) => describe(issue, variableOf)));
  }
  const { application: app } = parsed.data;
  if (app !== null && env['PATH'] !== undefined) app.env = { PATH: env['PATH'], ...app.env };
  return parsed.data;
}

/** The content of a host file: `{"agents":[…]}`, each with a thing and a state folder of its own. */
export function loadFleetConfig(text: string): AgentConfig[] {
  const parsed = z
    .strictObject({ agents: z.array(agentConfig).min(1) })
    .safeParse(parseJson(text) ?? null);
  if (!parsed.success) {
    const field = (path: string): string => path;
    throw new InvalidConfigError(parsed.error.issues.map((issue) => describe(issue, field)));
  }
  const { agents } = parsed.data;
  const shared = [...duplicates(agents, 'thing'), ...duplicates(agents, 'stateDir')];
  if (shared.length > 0) throw new InvalidConfigError(shared);
  return agents;
}

function duplicates(agents: AgentConfig[], field: 'thing' | 'stateDir'): string[] {
  const values = agents.map((agent) => agent[field]);
  const repeated = new Set(values.filter((value, index) => values.indexOf(value) !== index));
  return [...repeated].map((value) => `agents.*.${field}: ${value} is used more than once`);
}

function describe(issue: z.core.$ZodIssue, nameOf: (path: string) => string): string {
  return `${nameOf(issue.path.map(String).join('.'))}: ${issue.message}`;
}

function variableOf(path: string): string {
  const found = VARIABLES.find(([, field]) => path === field || path.startsWith(`${field}.`));
  return found?.[0] ?? path;
}

function put(target: Record<string, unknown>, path: string[], value: unknown): void {
  const [head, ...rest] = path;
  if (head === undefined) return;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  const inner = target[head];
  const next: Record<string, unknown> =
    typeof inner === 'object' && inner !== null ? { ...inner } : {};
  put(next, rest, value);
  target[head] = next;
}
