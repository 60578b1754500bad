import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { startChild, type Child } from './child';
import { freePorts } from './free-port';
import { emulatorPython } from './python-env';

export interface EmulatorOptions {
  /** Keeps certificate authorities and the log here; a temporary folder, removed at the end, without it. */
  dir?: string;
  /** How long a policy change takes to reach the broker; 0 unless told (AWS: 6 to 8 minutes). */
  policyDelayMs?: number;
  /** Pause before each of the three retries of an SNS delivery (AWS: 20 s). */
  snsRetryDelayMs?: number;
  /** Patches of the launcher to leave out, for tests that watch the stock emulator. */
  withoutPatches?: readonly string[];
  log?: (line: string) => void;
}

export interface Emulator extends Ready {
  credentials: { accessKeyId: string; secretAccessKey: string };
  pid: number;
  /** Resolves when the emulator has ended, stopped or not. */
  exited: Promise<unknown>;
  stop(): Promise<void>;
}

/** The launcher's line on standard output once every listener is up. */
type Ready = z.infer<typeof readySchema>;

const port = z.int().min(1).max(65535);
const readySchema = z.object({
  endpoint: z.url(),
  region: z.string(),
  accountId: z.string(),
  /** MQTT over TLS; a client certificate is required. */
  mqtt: z.object({ host: z.string(), port, caFile: z.string() }),
  /** HTTPS publish: POST /topics/<topic>?qos=1 with the device's certificate. */
  https: z.object({ host: z.string(), port }),
  /** Signing certificates are served at https://<signingHost>/SimpleNotificationService-<id>.pem. */
  sns: z.object({ signingHost: z.string(), caFile: z.string() }),
});

const LAUNCHER = resolve(__dirname, '..', 'emulator', 'launch.py');
const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
const START_ATTEMPTS = 3;
const READY_WITHIN_MS = 30_000;

/** Starts the AWS emulator on free ports of 127.0.0.1 and returns once every listener is up. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const log = options.log ?? (() => undefined);
  const python = await emulatorPython({ log });
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'iot-emulator-')));
  const cleanUp = async () => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
  };
  let failure = '';
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    const { child, ready } = await launch(python, dir, options);
    const answer = await ready;
    if (answer !== undefined) {
      log(
        `The AWS emulator serves at ${answer.endpoint}, MQTT at ${answer.mqtt.host}:${answer.mqtt.port}`,
      );
      return {
        ...answer,
        credentials: CREDENTIALS,
        pid: child.pid,
        exited: child.exited,
        stop: async () => {
          await child.stop();
          await cleanUp();
        },
      };
    }
    await child.stop();
    failure = child.tail();
    // Only a port that someone else took in between is worth another try.
    if (!/address already in use/i.test(failure)) break;
  }
  await cleanUp();
  throw new Error(`The AWS emulator did not start:\n${failure}`);
}

async function launch(
  python: string,
  dir: string,
  options: EmulatorOptions,
): Promise<{ child: Child; ready: Promise<Ready | undefined> }> {
  const [gateway, mqtt, https, snsCertificates] = await freePorts(4);
  let announce: (line: string) => void = () => undefined;
  const firstLine = new Promise<string>((resolve) => {
    announce = resolve;
  });
  const child = startChild({
    name: 'emulator',
    command: python,
    args: [LAUNCHER],
    ...(options.dir !== undefined && { dir }),
    onLine: (line, stream) => {
      if (stream === 'stdout') announce(line);
    },
    env: {
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(gateway),
      IOT_MTLS_PORT: String(mqtt),
      EMULATOR_HTTPS_PORT: String(https),
      EMULATOR_SNS_CERT_PORT: String(snsCertificates),
      EMULATOR_DIR: dir,
      EMULATOR_POLICY_DELAY_MS: String(options.policyDelayMs ?? 0),
      EMULATOR_SNS_RETRY_DELAY_MS: String(options.snsRetryDelayMs ?? 1_000),
      EMULATOR_WITHOUT_PATCH: (options.withoutPatches ?? []).join(','),
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    },
  });
  return { child, ready: readyOrGone(child, firstLine) };
}

/** The ready line, or undefined when the process ends or stays silent. */
async function readyOrGone(child: Child, line: Promise<string>): Promise<Ready | undefined> {
  const timer = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS);
  const first = await Promise.race([line, child.exited.then(() => undefined)]);
  clearTimeout(timer);
  return first === undefined ? undefined : readySchema.parse(JSON.parse(first));
}
