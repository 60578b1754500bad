import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { createAgent, type Agent } from '../../device-agent/agent';
import { agentConfig, type AgentConfig } from '../../device-agent/config';
import type { Emulator } from '../../local/stack/emulator';
import type { TestDevice } from '../support/devices';

export const SAMPLE_APP = join(__dirname, '..', '..', 'local', 'sample-app', 'main.mjs');

export type Overrides = Partial<Record<keyof AgentConfig, unknown>>;

/** A configuration with short times, so that tests wait for events and not for clocks. */
export function configFor(
  emulator: Emulator,
  device: TestDevice,
  overrides: Overrides = {},
): AgentConfig {
  return agentConfig.parse({
    thing: device.thing,
    host: emulator.mqtt.host,
    port: emulator.mqtt.port,
    caFile: emulator.mqtt.caFile,
    certFile: device.certFile,
    keyFile: device.keyFile,
    stateDir: join(device.dir, 'state'),
    firmwareVersion: '1.2.3',
    hardwareVersion: 'b',
    telemetryIntervalMs: 100,
    minGapMs: 50,
    answerTimeoutMs: 3_000,
    reconnect: { baseMs: 20, capMs: 200, stableAfterMs: 1_000 },
    quiet: { baseMs: 500, capMs: 1_000 },
    jobs: { retry: { baseMs: 20, capMs: 100 }, retryLaterMs: 500 },
    ...overrides,
  });
}

export const sampleApp = (device: TestDevice, env: Record<string, string> = {}) => ({
  command: process.execPath,
  args: [SAMPLE_APP],
  env: { SAMPLE_APP_THING: device.thing, ...env },
  graceMs: 2_000,
  restart: { baseMs: 50, capMs: 200, stableAfterMs: 1_000 },
});

export interface LogEntry {
  event?: string;
  [key: string]: unknown;
}

/** A logger that keeps its entries, for tests that ask what happened. */
export function recordingLog(): { log: Logger; entries: LogEntry[] } {
  const entries: LogEntry[] = [];
  const write = (line: string): void => void entries.push(JSON.parse(line) as LogEntry);
  return { log: pino({ level: 'debug' }, { write }), entries };
}

export interface StartedAgent {
  agent: Agent;
  entries: LogEntry[];
}

export async function startAgent(
  emulator: Emulator,
  device: TestDevice,
  overrides: Overrides = {},
): Promise<StartedAgent> {
  const { log, entries } = recordingLog();
  const agent = createAgent(configFor(emulator, device, overrides), log);
  await agent.start();
  return { agent, entries };
}

/** Whether a process exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
