import { createHash, createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { PutMetricAlarmCommand, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch';
import { CreateTopicCommand } from '@aws-sdk/client-sns';
import { Client, Connection } from '@temporalio/client';

import { createAlarmSource } from '../../activities/aws/alarms';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import { alarmIntakeId } from '../../domain/alarm/intake-id';
import { deviceAlarmName, NAMES } from '../../domain/names';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import { startTemporal } from '../../local/stack/temporal';
import { startWebhookProcess, type WebhookProcess } from '../support/webhook-process';
import { SENDER_ENVIRONMENT } from '../support/senders';
import { fuzzByDocument } from './webhook-fuzz';
import { seeded, type Signing } from './webhook-requests';
import {
  expectedIntakes,
  playAlertmanager,
  runbooksWithToolRoute,
  type Shot,
} from './webhook-senders';
import { REPEATED, repeatsOf, sampleThings, shotsOf } from './webhook-shots';

export interface WebhookChaosOptions {
  requests: number;
  seed: number;
  /** Sent at once; 64 unless told. They share what the emulator's CloudWatch answers in time. */
  inFlight?: number;
  log?: (line: string) => void;
  /** Another Temporal server than one of its own; must hold no intakes. */
  temporalAddress?: string;
}

export interface WebhookChaosResult {
  /** Sent in all, and how many of them were forged, replayed, oversized, mistyped or untrue. */
  requests: number;
  hostile: number;
  /** Intakes that no valid sample accounts for. */
  workflows: number;
  serverErrors: number;
  /** Ends of the webhook process before it was stopped. */
  exits: number;
  /** Intakes of valid samples that were not found. */
  missing: number;
  /** Outbound connections other than to the pinned host, CloudWatch, Alertmanager and Temporal. */
  strayConnections: number;
  /** Those to the pinned host: above 0, or nothing was recorded. */
  pinnedConnections: number;
  validSent: number;
  validAccepted: number;
  /** Deliveries of one alarm, each a message of its own, and the intakes they made. */
  repeats: number;
  repeatWorkflows: number;
  /** Made from the OpenAPI document that is served; answers that it does not promise, and 5xx among them. */
  fuzzed: number;
  undocumented: number;
  fuzzServerErrors: number;
}

const DEFAULT_IN_FLIGHT = 64;
/** Of the number of requests. */
const FUZZED_SHARE = 0.1;

/** Floods a real webhook process, in front of a real Temporal server, with what it must refuse. */
export async function runWebhookChaos(options: WebhookChaosOptions): Promise<WebhookChaosResult> {
  const folder = mkdtempSync(join(tmpdir(), 'webhook-chaos-'));
  const connections = join(folder, 'connections');
  writeFileSync(connections, '');
  const emulator = await startEmulator({ dir: folder });
  const alertmanager = await playAlertmanager();
  const ownTemporal = options.temporalAddress === undefined ? await startTemporal() : undefined;
  const temporalAddress = options.temporalAddress ?? ownTemporal?.address ?? '';
  try {
    const clients = createAwsClients(emulator);
    const signing = await readSigning(emulator, clients, folder);
    const webhook = await startWebhookProcess({
      emulator,
      temporalAddress,
      topicArn: signing.topicArn,
      preload: [pathToFileURL(join(__dirname, 'record-connections.ts')).href],
      env: {
        ...SENDER_ENVIRONMENT,
        ALERTMANAGER_URL: alertmanager.url,
        RUNBOOKS_DIR: runbooksWithToolRoute(folder),
        RECORD_CONNECTIONS_FILE: connections,
        WEBHOOK_RATE_LIMIT_PER_MINUTE: '100000000',
        LOG_LEVEL: 'error',
      },
    });
    try {
      const flood = await sendAll(options, webhook, signing);
      const counted = await countWorkflows(temporalAddress, clients);
      const { seed, log } = options;
      const fuzz = await fuzzByDocument({
        url: webhook.url,
        signing,
        requests: Math.ceil(options.requests * FUZZED_SHARE),
        seed,
        ...(log !== undefined && { log }),
      });
      const allowed = [
        emulator.sns.signingHost,
        new URL(emulator.endpoint).host,
        temporalAddress,
        alertmanager.host,
      ];
      const made = readFileSync(connections, 'utf8').split('\n').filter(Boolean);
      return {
        ...flood,
        ...counted,
        ...fuzz,
        exits: webhook.child.running() ? 0 : 1,
        strayConnections: made.filter((address) => !allowed.includes(address)).length,
        pinnedConnections: made.filter((address) => address === emulator.sns.signingHost).length,
      };
    } finally {
      await webhook.child.stop();
    }
  } finally {
    alertmanager.close();
    await ownTemporal?.stop();
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The emulator's own key, so that every kind of message can be signed as SNS would; and alarms that are true. */
async function readSigning(
  emulator: Emulator,
  clients: AwsClients,
  folder: string,
): Promise<Signing> {
  const topic = await clients.sns.send(
    new CreateTopicCommand({ Name: NAMES.alarmTopic, Attributes: { SignatureVersion: '2' } }),
  );
  for (const thing of [...sampleThings, REPEATED]) await raiseAlarm(clients, thing);
  const certificate = readFileSync(join(folder, 'sns-signing.pem'), 'utf8');
  const id = createHash('sha256').update(certificate).digest('hex').slice(0, 32);
  return {
    key: createPrivateKey(readFileSync(join(folder, 'sns-signing.key'))),
    url: `https://${emulator.sns.signingHost}/SimpleNotificationService-${id}.pem`,
    topicArn: topic.TopicArn ?? '',
  };
}

async function raiseAlarm({ cloudwatch }: AwsClients, thing: string): Promise<void> {
  const AlarmName = deviceAlarmName('RefusedPublishes', thing);
  await cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName,
      Namespace: NAMES.metricNamespace,
      MetricName: 'RefusedPublishes',
      Dimensions: [{ Name: 'ThingName', Value: thing }],
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 5,
      ComparisonOperator: 'GreaterThanThreshold',
    }),
  );
  await cloudwatch.send(
    new SetAlarmStateCommand({ AlarmName, StateValue: 'ALARM', StateReason: 'chaos' }),
  );
}

type Flood = Pick<
  WebhookChaosResult,
  'requests' | 'hostile' | 'serverErrors' | 'validSent' | 'validAccepted' | 'repeats'
>;

async function sendAll(
  options: WebhookChaosOptions,
  webhook: WebhookProcess,
  signing: Signing,
): Promise<Flood> {
  const { inFlight = DEFAULT_IN_FLIGHT } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const counts = { requests: 0, serverErrors: 0, validSent: 0, validAccepted: 0 };
  const shots = shotsOf(options.requests, seeded(options.seed), signing);
  const worker = async (): Promise<void> => {
    for (const shot of shots) {
      const status = await post(agent, webhook.url, shot);
      counts.requests += 1;
      if (status >= 500) counts.serverErrors += 1;
      if (shot.valid) counts.validSent += 1;
      if (shot.valid && status === 200) counts.validAccepted += 1;
      if (counts.requests % 10_000 === 0) options.log?.(`${counts.requests} requests sent`);
      if (!webhook.child.running()) return;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  agent.destroy();
  const hostile = counts.requests - counts.validSent;
  return { ...counts, hostile, repeats: repeatsOf(options.requests) };
}

/** The status; 0 where the server cut the connection off, as it may for what is too large. */
function post(agent: Agent, url: string, { path, headers, body }: Shot): Promise<number> {
  return new Promise((resolve) => {
    const call = request(
      `${url}${path}`,
      {
        agent,
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', () => resolve(response.statusCode ?? 0));
      },
    );
    call.on('error', () => resolve(0));
    call.end(body);
  });
}

async function countWorkflows(
  address: string,
  clients: AwsClients,
): Promise<Pick<WebhookChaosResult, 'workflows' | 'missing' | 'repeatWorkflows'>> {
  const alarms = createAlarmSource(() => clients);
  const idOf = async (thing: string): Promise<string> => {
    const alarm = await alarms.readAlarm(deviceAlarmName('RefusedPublishes', thing), 'eu-west-1');
    return alarm === null ? '' : alarmIntakeId(alarm);
  };
  const expected = new Set([...(await Promise.all(sampleThings.map(idOf))), ...expectedIntakes()]);
  const repeated = await idOf(REPEATED);
  const connection = await Connection.connect({ address });
  try {
    let workflows = 0;
    let repeatWorkflows = 0;
    for await (const run of new Client({ connection }).workflow.list()) {
      if (run.workflowId === repeated) repeatWorkflows += 1;
      else if (!expected.delete(run.workflowId)) workflows += 1;
    }
    return { workflows, missing: expected.size, repeatWorkflows };
  } finally {
    await connection.close();
  }
}
