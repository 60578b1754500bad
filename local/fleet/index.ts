import { copyFileSync, mkdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createAwsClients } from '../../activities/aws/clients';
import { createEnrolmentApi } from '../../activities/aws/provision-device';
import { enrolDevice, type EnrolInput } from '../../activities/provision/enrol';
import { placeOf } from '../../domain/policy/place';
import type { UpdatesSettings } from '../../device-agent/settings';
import { startChild, type Child } from '../stack/child';
import { deviceKey } from '../stack/device-keys';
import type { Emulator } from '../stack/emulator';
import { bundleAgent } from './bundle';

export interface FleetDeviceSpec {
  thing: string;
  site: string;
  hardware: string;
  firmware?: string;
  /** 4 is MQTT 3.1.1. */
  protocolVersion?: 4 | 5;
}

export interface FleetOptions {
  emulator: Pick<Emulator, 'endpoint' | 'region' | 'accountId' | 'credentials' | 'mqtt'>;
  /** Certificates, journals and logs of the agents. */
  dir: string;
  devices: readonly FleetDeviceSpec[];
  /** An alarm of its own for each device. */
  alarm?: EnrolInput['alarm'];
  telemetryIntervalMs?: number;
  /**
   * The application then is in slot `a` of each device as the factory image, from where updates replace it. Where
   * they come from and how a new application is judged; folders and hardware are filled in.
   */
  updates?: Pick<UpdatesSettings, 'metadataUrl' | 'targetsUrl' | 'rootFile'> &
    Partial<Pick<UpdatesSettings, 'confirmMs' | 'health'>>;
  log?: (line: string) => void;
}

export interface FleetDevice extends FleetDeviceSpec {
  certificateArn: string;
  certFile: string;
  keyFile: string;
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
const FIRMWARE = '1.0.0';
/** Certificates are signed on one core of the emulator: more at once only wait. */
const ENROL_AT_ONCE = 4;

/**
 * Enrols the devices, as `npm run provision -- device` does, and starts one agent process for each, with the sample
 * application under it. Needs the fleet's cloud side (`applyProvisioning`) with the groups of these sites and hardware.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { dir, devices } = options;
  await mkdir(dir, { recursive: true });
  const agentFile = await bundleAgent(dir);
  const enrolled: Enrolled[] = [];
  for (let from = 0; from < devices.length; from += ENROL_AT_ONCE) {
    const batch = devices.slice(from, from + ENROL_AT_ONCE);
    enrolled.push(...(await Promise.all(batch.map((device) => enrol(options, device)))));
    options.log?.(`${enrolled.length} of ${devices.length} devices enrolled`);
  }
  const agents = enrolled.map((device) => startAgent(options, agentFile, device));
  return {
    devices: agents.map(({ device }) => device),
    stop: async () => {
      await Promise.all(agents.map(({ child }) => child.stop()));
    },
  };
}

type Enrolled = FleetDeviceSpec & Pick<FleetDevice, 'certificateArn' | 'certFile' | 'keyFile'>;

async function enrol(
  { emulator, dir, alarm }: FleetOptions,
  spec: FleetDeviceSpec,
): Promise<Enrolled> {
  const { region, accountId } = emulator;
  const api = createEnrolmentApi(createAwsClients(emulator), placeOf(region, accountId));
  const { thing, site, hardware, firmware = FIRMWARE } = spec;
  const { keyFile, csrPem } = await deviceKey(thing);
  const { certificateArn, certificatePem } = await enrolDevice(api, {
    thing,
    site,
    hardware,
    firmware,
    credential: { csrPem },
    ...(alarm !== undefined && { alarm }),
  });
  const certFile = join(dir, `${thing}.cert.pem`);
  await writeFile(certFile, certificatePem);
  return { ...spec, certificateArn, certFile, keyFile };
}

/** The agent's environment for updates, with the factory image in place; none where the fleet has none. */
function updatesEnv({ updates, dir }: FleetOptions, thing: string): Record<string, string> {
  if (updates === undefined) return { AGENT_APP_ARGS: JSON.stringify([SAMPLE_APP]) };
  const slots = join(dir, `${thing}.slots`);
  const factory = join(slots, 'a', 'root');
  mkdirSync(factory, { recursive: true });
  copyFileSync(SAMPLE_APP, join(factory, 'main.mjs'));
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
    misbehave: () => writeFile(triggerFile, ''),
    behave: () => rm(triggerFile, { force: true }),
    tail: () => child.tail(),
  };
  return { device: running, child };
}
