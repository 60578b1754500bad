import { setTimeout as sleep } from 'node:timers/promises';

import { PutMetricAlarmCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import {
  CreateTopicCommand,
  GetSubscriptionAttributesCommand,
  ListSubscriptionsByTopicCommand,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';

import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { alarmIntakeId } from '../../../domain/alarm/intake-id';
import { deviceAlarmName, NAMES } from '../../../domain/names';
import { TASK_QUEUES } from '../../../domain/temporal';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { createIntake } from '../../../triggers/webhook/intake';
import { alarmEvent, eventBridgeHeaders, SENDER_ENVIRONMENT } from '../../support/senders';
import { temporalAddress } from '../../support/temporal';
import { startWebhookProcess, type WebhookProcess } from '../../support/webhook-process';
import { alarmOf } from './harness';

const WITHIN_MS = 20_000;
let emulator: Emulator;
let clients: AwsClients;
let webhook: WebhookProcess;
let connection: Connection;
let temporal: Client;
let topicArn: string;
/** Unique, because the Temporal server may be shared. */
const thing = `pump-${process.pid}-${Date.now()}`;

beforeAll(async () => {
  emulator = await startEmulator({ snsRetryDelayMs: 200 });
  clients = createAwsClients(emulator);
  const made = await clients.sns.send(
    new CreateTopicCommand({ Name: NAMES.alarmTopic, Attributes: { SignatureVersion: '2' } }),
  );
  topicArn = made.TopicArn ?? '';
  const address = await temporalAddress();
  webhook = await startWebhookProcess({
    emulator,
    temporalAddress: address,
    topicArn,
    env: SENDER_ENVIRONMENT,
  });
  connection = await Connection.connect({ address });
  temporal = new Client({ connection });
}, 120_000);
afterAll(async () => {
  await webhook.child.stop();
  await connection.close();
  await emulator.stop();
});

async function until<Value>(read: () => Promise<Value | undefined>): Promise<Value> {
  const deadline = Date.now() + WITHIN_MS;
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`It did not come to hold\n${webhook.child.tail()}`);
    await sleep(50);
  }
}

async function intakes(): Promise<{ workflowId: string; memo: unknown; taskQueue: string }[]> {
  const found = [];
  for await (const run of temporal.workflow.list({ query: "WorkflowType = 'alarmIntake'" })) {
    const { input } = await firstEvent(run.workflowId);
    if (JSON.stringify(input).includes(thing)) {
      found.push({ workflowId: run.workflowId, memo: input, taskQueue: run.taskQueue });
    }
  }
  return found;
}

async function firstEvent(workflowId: string): Promise<{ input: unknown }> {
  const { events } = await temporal.workflow.getHandle(workflowId).fetchHistory();
  const data = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
  return { input: JSON.parse(Buffer.from(data ?? []).toString() || 'null') as unknown };
}

describe('a real alarm', () => {
  it('confirms its subscription by the API, and starts one intake of the thing that its dimension names', async () => {
    await clients.sns.send(
      new SubscribeCommand({
        TopicArn: topicArn,
        Protocol: 'http',
        Endpoint: `${webhook.url}/alarms/sns`,
      }),
    );
    await until(async () => {
      const { Subscriptions } = await clients.sns.send(
        new ListSubscriptionsByTopicCommand({ TopicArn: topicArn }),
      );
      const SubscriptionArn = Subscriptions?.[0]?.SubscriptionArn;
      if (SubscriptionArn?.startsWith('arn:') !== true) return undefined;
      const { Attributes } = await clients.sns.send(
        new GetSubscriptionAttributesCommand({ SubscriptionArn }),
      );
      return Attributes?.['PendingConfirmation'] === 'false' ? true : undefined;
    });

    await clients.cloudwatch.send(
      new PutMetricAlarmCommand({
        AlarmName: deviceAlarmName('RefusedPublishes', thing),
        AlarmActions: [topicArn],
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
    await clients.cloudwatch.send(
      new PutMetricDataCommand({
        Namespace: NAMES.metricNamespace,
        MetricData: [
          {
            MetricName: 'RefusedPublishes',
            Dimensions: [{ Name: 'ThingName', Value: thing }],
            Value: 9,
          },
        ],
      }),
    );
    const [intake] = await until(async () => {
      const found = await intakes();
      return found.length > 0 ? found : undefined;
    });
    expect(intake).toMatchObject({
      workflowId: expect.stringMatching(/^alarm\/[0-9a-f]{64}$/),
      taskQueue: TASK_QUEUES.runbooks,
      memo: {
        alarm: { state: 'ALARM', dimensions: { ThingName: thing } },
        route: { runbook: 'quarantine', thing, severity: 'high' },
      },
    });
  });

  it('told by EventBridge too is the same intake', async () => {
    const answer = await fetch(`${webhook.url}/alarms/eventbridge`, {
      method: 'POST',
      headers: eventBridgeHeaders(),
      body: JSON.stringify(alarmEvent(thing)),
    });
    expect([answer.status, await answer.json()]).toEqual([200, { code: 'duplicate' }]);
    expect(await intakes()).toHaveLength(1);
  });
});

describe('the intake', () => {
  const route = { runbook: 'quarantine', thing, severity: 'high' } as const;

  it('takes one alarm and state change once, also after its run has closed, and the next one anew', async () => {
    const intake = createIntake({
      connection: { address: await temporalAddress() },
      namespace: 'default',
    });
    try {
      const alarm = alarmOf(thing, { stateChangedAt: '2026-11-24T12:00:00.001Z' });
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => intake.start({ alarm, route })),
      );
      expect(answers.filter((answer) => answer === 'started')).toHaveLength(1);
      await temporal.workflow.getHandle(alarmIntakeId(alarm)).terminate();
      expect(await intake.start({ alarm, route })).toBe('duplicate');
      const next = { ...alarm, stateChangedAt: '2026-11-24T12:00:00.002Z' };
      expect(await intake.start({ alarm: next, route })).toBe('started');
      expect(await intake.isReachable()).toBe(true);
    } finally {
      await intake.close();
    }
  });

  it('throws, and says so to health checks, where Temporal does not answer', async () => {
    const intake = createIntake({ connection: { address: '127.0.0.1:1' }, namespace: 'default' });
    await expect(intake.start({ alarm: alarmOf(thing), route })).rejects.toThrow();
    expect(await intake.isReachable()).toBe(false);
    await intake.close();
  });
});

describe('the process', () => {
  it('drains and exits with 0 on SIGTERM', async () => {
    await webhook.child.stop();
    expect(await webhook.child.exited).toEqual({ code: 0, signal: null });
  });
});
