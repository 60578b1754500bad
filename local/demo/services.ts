import { join } from 'node:path';
import { NAMES } from '../../domain/names';
import type { Stack } from '../stack';
import { startChild, type Child } from '../stack/child';
import { freePort } from '../stack/free-port';

export interface Services {
  /** Null where the webhook was left out. */
  webhookUrl: string | null;
  approversFile: string;
  /** What the commands of an operator need in their environment. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

const ROOT = join(__dirname, '..', '..');
const READY_WITHIN_MS = 60_000;

export interface ServiceOptions {
  dir: string;
  /** Of the worker. */
  awsEndpoint: string;
  /** Of the worker, beside what all services have. */
  workerEnv?: Record<string, string>;
  /** No alarm starts a runbook by itself. */
  withoutWebhook?: boolean;
}

/** Worker, webhook and telemetry pump, each a process with its environment, as they run anywhere. */
export async function startServices(stack: Stack, options: ServiceOptions): Promise<Services> {
  const { emulator, temporal } = stack;
  const webhookPort = await freePort();
  const approversFile = join(options.dir, 'approvers.json');
  const shared = {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    AWS_REGION: emulator.region,
    AWS_ACCOUNT_ID: emulator.accountId,
    AWS_ENDPOINT_URL: emulator.endpoint,
    AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
    RUNBOOKS_DIR: join(ROOT, 'runbooks'),
  };
  const start = (name: string, main: string, env: Record<string, string>) =>
    startChild({
      name,
      command: process.execPath,
      args: ['--import', 'tsx', join(ROOT, main)],
      cwd: ROOT,
      env: { ...shared, ...env },
      dir: options.dir,
    });
  const worker = start('worker', 'workers/main.ts', {
    AWS_ENDPOINT_URL: options.awsEndpoint,
    APPROVERS_FILE: approversFile,
    ...options.workerEnv,
  });
  const pump = start('telemetry', 'workers/telemetry/main.ts', {});
  const webhook =
    options.withoutWebhook === true
      ? null
      : start('webhook', 'triggers/webhook/main.ts', {
          WEBHOOK_PORT: String(webhookPort),
          SNS_TOPIC_ARNS: `arn:aws:sns:${emulator.region}:${emulator.accountId}:${NAMES.alarmTopic}`,
          SNS_SIGNING_HOST: emulator.sns.signingHost,
          SNS_CA_FILE: emulator.sns.caFile,
        });
  const children = [worker, pump, ...(webhook === null ? [] : [webhook])];
  const stop = async () => {
    await Promise.all(children.map((child) => child.stop()));
  };
  const base = `http://127.0.0.1:${webhookPort}`;
  try {
    await until(worker, () => worker.tail().includes('worker ready'));
    if (webhook !== null) await until(webhook, () => healthy(`${base}/healthz`));
  } catch (err) {
    await stop();
    throw err;
  }
  return {
    webhookUrl: webhook === null ? null : `${base}/alarms/sns`,
    approversFile,
    env: {
      ...shared,
      APPROVERS_FILE: approversFile,
      APPROVER_KEYS_DIR: join(options.dir, 'people'),
    },
    stop,
  };
}

async function until(child: Child, ready: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await ready())) {
    if (!child.running() || Date.now() > deadline)
      throw new Error(`${child.name} did not start:\n${child.tail()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const healthy = (url: string): Promise<boolean> =>
  fetch(url).then(
    (answer) => answer.ok,
    () => false,
  );
