import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startEmulator, type Emulator } from '../local/stack/emulator';
import { createDevice, prepareAccount, type TestDevice } from '../test/support/devices';
import { residentKb, round } from './figures';

export interface AgentIdleFigures {
  /** Connected over mutual TLS, after the counted minute. */
  idleRssMiB: number;
  bundleMiB: number;
  idleCpuSecondsPerHour: number;
  /** TLS included, TCP/IP headers not; at the default intervals. */
  idleBytesPerDay: number;
}

const ROOT = resolve(__dirname, '..');
const BUNDLE = join(ROOT, 'dist', 'device-agent.js');
const UNIT = join(ROOT, 'device-agent', 'install', 'iot-device-agent.service');
const SETTLE_MS = 15_000;
/** Two telemetry messages and two keep-alives: whole periods of both. */
const COUNTED_MS = 60_000;
const MIB = 1_048_576;
const DAY_MS = 86_400_000;

/** The bundle as the service runs it, idle for a minute at the default intervals, with no application. */
export async function benchAgentIdle(options: {
  log: (line: string) => void;
}): Promise<AgentIdleFigures> {
  await promisify(execFile)('npm', ['run', '-s', 'build:agent'], { cwd: ROOT });
  const bundleMiB = (await stat(BUNDLE)).size / MIB;
  options.log(`The bundle has ${round(bundleMiB, 2)} MiB; idling for ${COUNTED_MS / 1_000} s`);
  const emulator = await startEmulator();
  try {
    const clients = await prepareAccount(emulator);
    const device = await createDevice(clients.iot, 'idle');
    return { ...(await idle(emulator, device)), bundleMiB: round(bundleMiB, 2) };
  } finally {
    await emulator.stop();
  }
}

async function idle(emulator: Emulator, device: TestDevice) {
  const wire = await countBytes(emulator.mqtt.port);
  const stateDir = await mkdtemp(join(tmpdir(), 'agent-idle-'));
  const { args, env } = await serviceCommand(BUNDLE);
  const agent = spawn(process.execPath, args, {
    stdio: 'ignore',
    env: { ...env, ...agentEnv(emulator, device, wire.port, stateDir) },
  });
  try {
    await sleep(SETTLE_MS);
    const before = { ticks: await cpuTicks(agent.pid), bytes: wire.bytes() };
    await sleep(COUNTED_MS);
    const ticks = (await cpuTicks(agent.pid)) - before.ticks;
    const bytes = wire.bytes() - before.bytes;
    if (bytes === 0)
      throw new Error('the agent said nothing for a minute, so it was not connected');
    return {
      idleRssMiB: round(residentKb(agent.pid ?? 0) / 1_024, 1),
      idleCpuSecondsPerHour: round((ticks / TICKS_PER_SECOND) * (3_600_000 / COUNTED_MS), 1),
      idleBytesPerDay: Math.round(bytes * (DAY_MS / COUNTED_MS)),
    };
  } finally {
    agent.kill('SIGKILL');
    wire.close();
    await rm(stateDir, { recursive: true, force: true });
  }
}

/** Node's flags and the environment are the unit's: what is measured is what is installed. */
export async function serviceCommand(
  program: string,
): Promise<{ args: string[]; env: Record<string, string> }> {
  const unit = await readFile(UNIT, 'utf8');
  const flags = /^ExecStart=@NODE@ (.*) @PROGRAM@$/m.exec(unit)?.[1]?.split(' ') ?? [];
  const settings = /^Environment=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  const env: Record<string, string> = {};
  for (const setting of settings) {
    const [name = '', value = ''] = setting.split('=');
    env[name] = value;
  }
  return { args: [...flags, program], env };
}

function agentEnv(emulator: Emulator, device: TestDevice, port: number, stateDir: string) {
  return {
    AGENT_THING: device.thing,
    AGENT_HOST: emulator.mqtt.host,
    AGENT_PORT: String(port),
    AGENT_CA_FILE: emulator.mqtt.caFile,
    AGENT_CERT_FILE: device.certFile,
    AGENT_KEY_FILE: device.keyFile,
    AGENT_STATE_DIR: stateDir,
    AGENT_FIRMWARE_VERSION: '1',
    AGENT_HARDWARE_VERSION: 'b',
  };
}

/** `USER_HZ`, which Linux fixes at 100 for everything below /proc. */
const TICKS_PER_SECOND = 100;

/** User and system time; the fields after the command, which may hold spaces. */
async function cpuTicks(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid ?? 0}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** A relay to a port of this machine that counts what passes, both ways. */
async function countBytes(target: number) {
  let bytes = 0;
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on('data', (chunk) => (bytes += chunk.length));
    from.on('error', () => to.destroy());
    from.pipe(to);
  };
  const server: Server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    pass(client, upstream);
    pass(upstream, client);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port, bytes: () => bytes, close };
}
