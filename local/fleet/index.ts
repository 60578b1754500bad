import { join, resolve } from 'node:path';
import { startChild, type Child } from '../stack/child';
import { bundleAgent } from './bundle';
import { enrolAll, FIRMWARE, placeFactoryImage, trigger, type Enrolled } from './enrol';
import type { FleetOptions } from './types';

export type { FleetOptions } from './types';

export interface FleetDevice extends Enrolled {
  pid: number;
  /** From now on the application floods a topic that it may not publish to. */
  misbehave(): Promise<void>;
  behave(): Promise<void>;
  /** The last lines the agent logged. */
  tail(): string;
}

export interface Fleet {
  devices: FleetDevice[];
  /** Ends all agents, and with them their applications. Safe to call more than once. */
  stop(): Promise<void>;
}

const SAMPLE_APP = resolve(__dirname, '..', 'sample-app', 'main.mjs');

/**
 * Enrols the devices, as `npm run provision -- device` does, and starts one agent process for each, with the sample
 * application under it. Needs the fleet's cloud side (`applyProvisioning`) with the groups of these sites and hardware.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const [agentFile, enrolled] = await Promise.all([bundleAgent(options.dir), enrolAll(options)]);
  const agents = enrolled.map((device) => startAgent(options, agentFile, device));
  return {
    devices: agents.map(({ device }) => device),
    stop: async () => {
      await Promise.all(agents.map(({ child }) => child.stop()));
    },
  };
}

/** The agent's environment for updates, with the factory image in place; none where the fleet has none. */
function updatesEnv({ updates, dir }: FleetOptions, thing: string): Record<string, string> {
  if (updates === undefined) return { AGENT_APP_ARGS: JSON.stringify([SAMPLE_APP]) };
  const slots = join(dir, `${thing}.slots`);
  placeFactoryImage(slots, [SAMPLE_APP]);
  const settings = { ...updates, dir: join(dir, `${thing}.updates`) };
  return {
    AGENT_APP_ARGS: JSON.stringify(['main.mjs']),
    AGENT_UPDATES: JSON.stringify({ ...settings, installer: { kind: 'slots', dir: slots } }),
  };
}

function startAgent(
  options: FleetOptions,
  agentFile: string,
  device: Enrolled,
): { device: FleetDevice; child: Child } {
  const { emulator, dir, telemetryIntervalMs = 1_000, log } = options;
  const { thing } = device;
  const triggerFile = join(dir, `${thing}.misbehave`);
  const child = startChild({
    name: `agent-${thing}`,
    command: process.execPath,
    args: [agentFile],
    dir,
    ...(log !== undefined && { onLine: (line) => log(`${thing}: ${line}`) }),
    env: {
      AGENT_THING: thing,
      AGENT_HOST: emulator.mqtt.host,
      AGENT_PORT: String(emulator.mqtt.port),
      AGENT_CA_FILE: emulator.mqtt.caFile,
      AGENT_CERT_FILE: device.certFile,
      AGENT_KEY_FILE: device.keyFile,
      AGENT_STATE_DIR: join(dir, `${thing}.state`),
      AGENT_MQTT_VERSION: String(device.protocolVersion ?? 5),
      AGENT_FIRMWARE_VERSION: device.firmware ?? FIRMWARE,
      AGENT_HARDWARE_VERSION: device.hardware,
      AGENT_TELEMETRY_MS: String(telemetryIntervalMs),
      AGENT_APP_COMMAND: process.execPath,
      ...updatesEnv(options, thing),
      AGENT_APP_ENV: JSON.stringify({
        SAMPLE_APP_THING: thing,
        SAMPLE_APP_TRIGGER_FILE: triggerFile,
      }),
    },
  });
  const running: FleetDevice = {
    ...device,
    pid: child.pid,
    ...trigger(triggerFile),
    tail: () => child.tail(),
  };
  return { device: running, child };
}
