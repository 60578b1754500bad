import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild, type Child } from '../stack/child';
import { bundleAgent } from './bundle';
import { enrolAll, FIRMWARE, placeFactoryImage, trigger, type Enrolled } from './enrol';
import { FleetLog, type Switch } from './fleet-log';
import { startDeviceNetworks, type DeviceNetworks } from './networks';
import { installedOn, type Installed } from './slots';
import type { FleetOptions, FleetUpdates } from './types';

export interface HostedFleetOptions extends FleetOptions {
  updates: FleetUpdates;
  /** That share the agents; default 4. */
  processes?: number;
  /** Each device reaches AWS through a connection of its own, which its application can cut. */
  ownNetworks?: boolean;
  /** Of the application, beside what the fleet sets. */
  applicationEnv?: Record<string, string>;
  /** Between reports out of turn, as a change of state makes them. */
  minGapMs?: number;
  /** Between two readings of an application; default 5. */
  readingSeconds?: number;
}

export interface HostedDevice extends Enrolled {
  /** From now on the application floods a topic that it may not publish to. */
  misbehave(): Promise<void>;
  behave(): Promise<void>;
  /** By the device's own slots, whatever anybody reported. */
  installed(): Installed;
}

export interface HostedFleet {
  devices: HostedDevice[];
  /** Every start of another slot since the fleet began, by the agents' logs. */
  switches(): readonly Switch[];
  readonly pids: number[];
  tail(): string;
  /** SIGKILL to one of the processes, as a loss of power to its devices; started again by what is returned. */
  cut(index: number): Promise<() => void>;
  /** Every device anew from its factory image, without any memory, and connected. */
  asNew(): Promise<void>;
  stop(): Promise<void>;
}

const CONNECTED_WITHIN_MS = 60_000;
/** Of the applications and their health checks. */
const PATH = '/usr/local/bin:/usr/bin:/bin';
const SAMPLE_APP = resolve(__dirname, '..', 'sample-app');
export const SHELL_APP = ['main.sh', 'health.sh'].map((file) => join(SAMPLE_APP, file));

/**
 * As `startFleet`, for hundreds: real agents, many in each of a few processes, over an application that is a shell. What
 * only many show is the same: each has its own certificate, session, journal, slots and application.
 */
export async function startHostedFleet(options: HostedFleetOptions): Promise<HostedFleet> {
  const { dir, processes = 4 } = options;
  const [hostFile, enrolled] = await Promise.all([bundleAgent(dir, 'host'), enrolAll(options)]);
  const cuts = join(dir, 'cut');
  mkdirSync(cuts, { recursive: true });
  const networks =
    options.ownNetworks === true
      ? await startDeviceNetworks({ ...options.emulator.mqtt, cuts, devices: enrolled })
      : null;
  const configs = enrolled.map((device) => configOf(options, device, cuts, networks));
  const log = new FleetLog();
  const hosts = new Hosts(configs, processes, (index, agents) =>
    startHost({ dir, hostFile, index, agents, hear: (line) => log.hear(line) }),
  );
  await connectedAll(hosts.running, enrolled, log);
  return {
    devices: enrolled.map((device) => ({
      ...device,
      ...trigger(join(dir, `${device.thing}.misbehave`)),
      installed: () => installedOn(join(dir, device.thing, 'slots')),
    })),
    switches: () => log.switches,
    get pids() {
      return hosts.running.map(({ pid }) => pid);
    },
    tail: () => hosts.running.map((host) => host.tail()).join('\n'),
    cut: (index) => hosts.cut(index),
    asNew: async () => {
      await Promise.all(hosts.running.map((_, index) => hosts.cut(index)));
      log.connected.clear();
      for (const { thing } of enrolled) forget(join(dir, thing));
      hosts.startAll();
      await connectedAll(hosts.running, enrolled, log);
    },
    stop: async () => {
      await Promise.all(hosts.running.map((host) => host.stop()));
      await networks?.stop();
    },
  };
}

function forget(home: string): void {
  rmSync(home, { recursive: true, force: true });
  placeFactoryImage(join(home, 'slots'), SHELL_APP);
}

/** The processes that share the agents. */
class Hosts {
  readonly running: Child[];

  constructor(
    private readonly configs: object[],
    private readonly processes: number,
    private readonly begin: (index: number, agents: object[]) => Child,
  ) {
    const count = Math.min(processes, configs.length);
    this.running = Array.from({ length: count }, (_, index) => this.start(index));
  }

  startAll(): void {
    for (const index of this.running.keys()) this.running[index] = this.start(index);
  }

  async cut(index: number): Promise<() => void> {
    const host = this.running[index];
    host?.kill('SIGKILL');
    await host?.exited;
    return () => {
      this.running[index] = this.start(index);
    };
  }

  private start(index: number): Child {
    const agents = this.configs.filter((_config, place) => place % this.processes === index);
    return this.begin(index, agents);
  }
}

/** Throws with what a process said where one ends, or where not all are connected in a minute. */
async function connectedAll(hosts: Child[], devices: Enrolled[], log: FleetLog): Promise<void> {
  const deadline = Date.now() + CONNECTED_WITHIN_MS;
  while (log.connected.size < devices.length) {
    const ended = hosts.find((host) => !host.running());
    if (ended !== undefined || Date.now() > deadline) {
      await Promise.all(hosts.map((host) => host.stop()));
      const who = `${log.connected.size} of ${devices.length} agents connected`;
      throw new Error(`${who}:\n${(ended ?? hosts[0])?.tail() ?? ''}`);
    }
    await sleep(50);
  }
}

interface HostInput {
  dir: string;
  hostFile: string;
  index: number;
  agents: object[];
  hear: (line: string) => void;
}

function startHost({ dir, hostFile, index, agents, hear }: HostInput): Child {
  const file = join(dir, `agents-${index}.json`);
  writeFileSync(file, JSON.stringify({ agents }), { mode: 0o600 });
  return startChild({
    name: `agents-${index}`,
    command: process.execPath,
    args: [hostFile, file],
    dir,
    onLine: hear,
    stopTimeoutMs: 20_000,
  });
}

/** As `agentConfig` of device-agent/config.ts reads it. */
function configOf(
  options: HostedFleetOptions,
  device: Enrolled,
  cuts: string,
  networks: DeviceNetworks | null,
): object {
  const { emulator, dir, updates, telemetryIntervalMs = 10_000 } = options;
  const { applicationEnv = {}, readingSeconds = 5, minGapMs = 1_000 } = options;
  const { thing, hardware, certFile, keyFile, firmware = FIRMWARE } = device;
  const home = join(dir, thing);
  const slots = join(home, 'slots');
  placeFactoryImage(slots, SHELL_APP);
  return {
    thing,
    ...emulator.mqtt,
    ...(networks !== null && { port: networks.portOf(thing) }),
    certFile,
    keyFile,
    stateDir: join(home, 'state'),
    protocolVersion: device.protocolVersion ?? 5,
    firmwareVersion: firmware,
    hardwareVersion: hardware,
    telemetryIntervalMs,
    minGapMs,
    reconnect: { baseMs: 200, capMs: 3_000, stableAfterMs: 5_000 },
    application: {
      command: '/bin/sh',
      args: ['main.sh'],
      graceMs: 2_000,
      restart: { baseMs: 500, capMs: 5_000, stableAfterMs: 10_000 },
      env: {
        PATH,
        SAMPLE_APP_THING: thing,
        SAMPLE_APP_TRIGGER_FILE: join(dir, `${thing}.misbehave`),
        SAMPLE_APP_NETWORK_FILE: join(cuts, thing),
        SAMPLE_APP_EVERY: String(readingSeconds),
        ...applicationEnv,
      },
    },
    updates: { ...updates, dir: join(home, 'updates'), installer: { kind: 'slots', dir: slots } },
  };
}
