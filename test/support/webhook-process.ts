import { join } from 'node:path';

import { startChild, type Child } from '../../local/stack/child';
import type { Emulator } from '../../local/stack/emulator';
import { freePort } from '../../local/stack/free-port';

export interface WebhookProcess {
  url: string;
  child: Child;
}

export interface WebhookProcessOptions {
  emulator: Pick<Emulator, 'endpoint' | 'credentials' | 'sns'>;
  temporalAddress: string;
  topicArn: string;
  /** Modules that node loads first. */
  preload?: string[];
  env?: Record<string, string>;
}

const REPOSITORY = join(__dirname, '../..');
const READY_WITHIN_MS = 60_000;

/** `triggers/webhook/main.ts` as a process of its own, once it is healthy. */
export async function startWebhookProcess(options: WebhookProcessOptions): Promise<WebhookProcess> {
  const { emulator } = options;
  const port = await freePort();
  const imports = ['tsx', ...(options.preload ?? [])].flatMap((name) => ['--import', name]);
  const child = startChild({
    name: 'webhook',
    command: process.execPath,
    args: [...imports, 'triggers/webhook/main.ts'],
    cwd: REPOSITORY,
    env: {
      WEBHOOK_PORT: String(port),
      SNS_TOPIC_ARNS: options.topicArn,
      SNS_SIGNING_HOST: emulator.sns.signingHost,
      SNS_CA_FILE: emulator.sns.caFile,
      AWS_ENDPOINT_URL: emulator.endpoint,
      AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
      TEMPORAL_ADDRESS: options.temporalAddress,
      LOG_LEVEL: 'warn',
      ...options.env,
    },
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await isHealthy(url))) {
    if (!child.running() || Date.now() > deadline) {
      await child.stop();
      throw new Error(`The webhook did not start:\n${child.tail()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, child };
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
}
