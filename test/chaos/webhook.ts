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
import { hostileRequest, seeded, UNTRUE, validMessage, type Signing } from './webhook-requests';

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
  /** Outbound connections other than to the pinned host, CloudWatch and Temporal. */
  strayConnections: number;
  /** Those to the pinned host: above 0, or nothing was recorded. */
  pinnedConnections: number;
  validSent: number;
  validAccepted: number;
  /** Deliveries of one alarm, each a message of its own, and the intakes they made. */
  repeats: number;
  repeatWorkflows: number;
}

const DEFAULT_IN_FLIGHT = 64;
const VALID_SAMPLES = 20;
const REPEATS = 1_000;
const REPEATED = 'repeated';

/** Floods a real webhook process, in front of a real Temporal server, with what it must refuse. */
export async function runWebhookChaos(options: WebhookChaosOptions): Promise<WebhookChaosResult> {
  const folder = mkdtempSync(join(tmpdir(), 'webhook-chaos-'));
  const connections = join(folder, 'connections');
  writeFileSync(connections, '');
  const emulator = await startEmulator({ dir: folder });
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
        RECORD_CONNECTIONS_FILE: connections,
        WEBHOOK_RATE_LIMIT_PER_MINUTE: '100000000',
        LOG_LEVEL: 'error',
      },
    });
    try {
      const flood = await sendAll(options, webhook, signing);
      const allowed = [emulator.sns.signingHost, new URL(emulator.endpoint).host, temporalAddress];
      const made = readFileSync(connections, 'utf8').split('\n').filter(Boolean);
      return {
        ...flood,
        ...(await countWorkflows(temporalAddress, clients)),
        exits: webhook.child.running() ? 0 : 1,
        strayConnections: made.filter((address) => !allowed.includes(address)).length,
        pinnedConnections: made.filter((address) => address === emulator.sns.signingHost).length,
      };
    } finally {
      await webhook.child.stop();
    }
  } finally {
    await ownTemporal?.stop();
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const sampleThings = Array.from({ length: VALID_SAMPLES }, (_, index) => `sample-${index}`);

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

interface Shot {
  contentType: string;
  body: string | Buffer;
  valid: boolean;
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
  const shots = shotsOf(options, signing);
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
  const repeats = Math.min(REPEATS, options.requests);
  return { ...counts, hostile: counts.requests - counts.validSent, repeats };
}

/** Hostile requests with the valid samples, and the repeats of one alarm, spread among them. */
function* shotsOf({ requests, seed }: WebhookChaosOptions, signing: Signing): Generator<Shot> {
  const random = seeded(seed);
  const plain = 'text/plain; charset=UTF-8';
  const repeats = Math.min(REPEATS, requests);
  const replayed = JSON.stringify(validMessage(signing, REPEATED));
  const untrue = Object.values(UNTRUE);
  let good = validMessage(signing, REPEATED);
  yield { contentType: plain, body: replayed, valid: true };
  for (let index = 0; index < requests; index += 1) {
    if (index % 100 === 0)
      good = validMessage(signing, sampleThings[index % VALID_SAMPLES] ?? REPEATED);
    const sample = sampleThings[(index * VALID_SAMPLES) / requests];
    if (sample !== undefined) {
      yield {
        contentType: plain,
        body: JSON.stringify(validMessage(signing, sample)),
        valid: true,
      };
    }
    if (index < repeats - 1) {
      yield {
        contentType: plain,
        body: JSON.stringify(validMessage(signing, REPEATED)),
        valid: true,
      };
    }
    const dice = random();
    if (dice < 0.02) {
      const message = untrue[index % untrue.length]?.(REPEATED);
      const body = validMessage(signing, REPEATED, { Message: JSON.stringify(message) });
      yield { contentType: plain, body: JSON.stringify(body), valid: false };
    } else if (dice < 0.05) {
      yield { contentType: plain, body: replayed, valid: false };
    } else {
      yield { ...hostileRequest(random, good, signing), valid: false };
    }
  }
}

/** The status; 0 where the server cut the connection off, as it may for what is too large. */
function post(agent: Agent, url: string, { contentType, body }: Shot): Promise<number> {
  return new Promise((resolve) => {
    const call = request(
      `${url}/alarms/sns`,
      {
        agent,
        method: 'POST',
        headers: { 'content-type': contentType, 'content-length': Buffer.byteLength(body) },
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
): Promise<Pick<WebhookChaosResult, 'workflows' | 'repeatWorkflows'>> {
  const alarms = createAlarmSource(() => clients);
  const idOf = async (thing: string): Promise<string> => {
    const alarm = await alarms.readAlarm(deviceAlarmName('RefusedPublishes', thing), 'eu-west-1');
    return alarm === null ? '' : alarmIntakeId(alarm);
  };
  const expected = new Set(await Promise.all(sampleThings.map(idOf)));
  const repeated = await idOf(REPEATED);
  const connection = await Connection.connect({ address });
  try {
    let workflows = 0;
    let repeatWorkflows = 0;
    for await (const run of new Client({ connection }).workflow.list()) {
      if (run.workflowId === repeated) repeatWorkflows += 1;
      else if (!expected.delete(run.workflowId)) workflows += 1;
    }
    return { workflows, repeatWorkflows };
  } finally {
    await connection.close();
  }
}
