import { setTimeout as sleep } from 'node:timers/promises';

import { GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SendMessageBatchCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';

import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import {
  createMetricSink,
  createTelemetryQueue,
  type MetricSink,
} from '../../../activities/aws/telemetry';
import { NAMES } from '../../../domain/names';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { loadConfig } from '../../../workers/telemetry/config';
import { runPump } from '../../../workers/telemetry/pump';

let emulator: Emulator;
let clients: AwsClients;
let queueUrl: string;
let queueName: string;
let stop: AbortController;
let pump: Promise<void>;
let counts: Record<'published' | 'malformed', number>;
let queues = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
});
afterAll(() => emulator.stop());
beforeEach(async () => {
  queues += 1;
  queueName = `telemetry-${queues}`;
  const made = await clients.sqs.send(new CreateQueueCommand({ QueueName: queueName }));
  queueUrl = made.QueueUrl ?? '';
  stop = new AbortController();
  counts = { published: 0, malformed: 0 };
});
afterEach(async () => {
  stop.abort();
  await pump;
});

function start(
  sink: MetricSink = createMetricSink(clients.cloudwatch, NAMES.metricNamespace),
): void {
  pump = runPump(
    {
      queue: createTelemetryQueue(clients.sqs, queueName),
      sink,
      logger: pino({ level: 'silent' }),
      concurrency: 2,
      retryMs: 10,
      count: (result, messages) => {
        counts[result] += messages;
      },
    },
    stop.signal,
  );
}

const telemetry = (thing: string, changes: Record<string, unknown> = {}): string =>
  JSON.stringify({
    at: '2020-01-01T00:00:00Z',
    sequence: 1,
    firmwareVersion: '1.0.0',
    hardwareVersion: 'a',
    application: 'running',
    health: 'healthy',
    refusedPublishes: 3,
    applicationRestarts: 0,
    thing,
    ...changes,
  });

async function sendAll(bodies: string[]): Promise<void> {
  for (let index = 0; index < bodies.length; index += 10) {
    const batch = bodies.slice(index, index + 10);
    const Entries = batch.map((MessageBody, id) => ({ Id: String(id), MessageBody }));
    await clients.sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
  }
}

/** How long a message that was received and not deleted stays away; a slow batch must not be longer. */
async function setVisibilityTimeout(seconds: number): Promise<void> {
  const Attributes = { VisibilityTimeout: String(seconds) };
  await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl: queueUrl, Attributes }));
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It did not come to hold within 20 s');
    await sleep(20);
  }
}

async function isEmpty(): Promise<boolean> {
  const { Attributes = {} } = await clients.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }),
  );
  const left = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
  return left.every((name) => Attributes[name] === '0');
}

/** Sum of a thing's series over the last minutes, by CloudWatch's own time. */
async function sum(metric: string, thing: string): Promise<number | null> {
  const { Datapoints = [] } = await clients.cloudwatch.send(
    new GetMetricStatisticsCommand({
      Namespace: NAMES.metricNamespace,
      MetricName: metric,
      Dimensions: [{ Name: 'ThingName', Value: thing }],
      StartTime: new Date(Date.now() - 300_000),
      EndTime: new Date(Date.now() + 60_000),
      Period: 60,
      Statistics: ['Sum'],
    }),
  );
  if (Datapoints.length === 0) return null;
  return Datapoints.reduce((total, point) => total + (point.Sum ?? 0), 0);
}

describe('the telemetry pump', () => {
  it('publishes each metric under the name of the thing, at the time of the queue', async () => {
    start();
    await sendAll([
      telemetry('pump-1'),
      telemetry('pump-1'),
      telemetry('pump-2', { refusedPublishes: 0 }),
    ]);
    await until(isEmpty);
    expect(await sum('RefusedPublishes', 'pump-1')).toBe(6);
    expect(await sum('RefusedPublishes', 'pump-2')).toBe(0);
    expect(await sum('ApplicationRestarts', 'pump-1')).toBe(0);
    expect(await sum('RefusedPublishes', 'pump-3')).toBeNull();
  });

  it('empties a long queue in few calls', async () => {
    const sink = createMetricSink(clients.cloudwatch, NAMES.metricNamespace);
    let calls = 0;
    await sendAll(Array.from({ length: 600 }, () => telemetry('busy', { refusedPublishes: 1 })));
    start({
      put: (data) => {
        calls += 1;
        return sink.put(data);
      },
    });
    await until(() => counts.published >= 600);
    await until(isEmpty);
    expect(counts.published).toBe(600);
    expect(await sum('RefusedPublishes', 'busy')).toBe(600);
    expect(calls).toBeLessThan(30);
  });

  it('keeps messages in the queue until CloudWatch has accepted them', async () => {
    let down = true;
    let attempts = 0;
    await setVisibilityTimeout(1);
    const sink = createMetricSink(clients.cloudwatch, NAMES.metricNamespace);
    start({
      put: (data) => {
        attempts += 1;
        return down ? Promise.reject(new Error('CloudWatch is down')) : sink.put(data);
      },
    });
    await sendAll([telemetry('patient')]);
    await until(() => attempts >= 2);
    expect([await isEmpty(), await sum('RefusedPublishes', 'patient')]).toEqual([false, null]);
    await setVisibilityTimeout(30);
    down = false;
    await until(isEmpty);
    expect(await sum('RefusedPublishes', 'patient')).toBe(3);
  });

  it('deletes and counts what is no telemetry, and publishes what stands beside it', async () => {
    start();
    const hostile = [
      'hello',
      'null',
      '[]',
      '7',
      '{}',
      '['.repeat(50_000),
      telemetry('a/b'),
      telemetry('*'),
      telemetry('x'.repeat(129)),
      telemetry('bad', { refusedPublishes: '3' }),
      telemetry('bad', { refusedPublishes: -1 }),
      telemetry('bad', { refusedPublishes: 1e9 }),
      telemetry('bad', { refusedPublishes: 1.5 }),
      telemetry('bad', { refusedPublishes: null }),
      telemetry('bad', { health: 'x'.repeat(10_000) }),
      telemetry('bad').replace('"thing":"bad"', '"__proto__":{"thing":"bad"}'),
    ];
    await sendAll([...hostile, telemetry('good')]);
    await until(isEmpty);
    expect(counts).toEqual({ malformed: hostile.length, published: 1 });
    expect(await sum('RefusedPublishes', 'good')).toBe(3);
    expect(await sum('RefusedPublishes', 'bad')).toBeNull();
  });

  it('goes on once a missing queue is there', async () => {
    queueName = `late-${queues}`;
    start();
    await sleep(100);
    const made = await clients.sqs.send(new CreateQueueCommand({ QueueName: queueName }));
    queueUrl = made.QueueUrl ?? '';
    await sendAll([telemetry('late')]);
    await until(isEmpty);
    expect(await sum('RefusedPublishes', 'late')).toBe(3);
  });

  it('finishes what is under way when told to stop', async () => {
    let accept: () => void = () => undefined;
    const underWay = new Promise<void>((asked) => {
      start({
        put: () => {
          asked();
          return new Promise((resolve) => {
            accept = resolve;
          });
        },
      });
    });
    await sendAll([telemetry('last')]);
    await underWay;
    stop.abort();
    accept();
    await pump;
    expect(await isEmpty()).toBe(true);
  });
});

describe('the configuration of the pump', () => {
  it('needs only the region', () => {
    expect(loadConfig({ AWS_REGION: 'eu-west-1' })).toEqual({
      region: 'eu-west-1',
      queueName: NAMES.telemetryQueue,
      namespace: NAMES.metricNamespace,
      concurrency: 2,
      logLevel: 'info',
    });
  });

  it('names all that is wrong at once', () => {
    const load = () =>
      loadConfig({ TELEMETRY_CONCURRENCY: '0', AWS_ENDPOINT_URL: 'x', LOG_LEVEL: 'y' });
    for (const name of ['AWS_REGION', 'TELEMETRY_CONCURRENCY', 'AWS_ENDPOINT_URL', 'LOG_LEVEL']) {
      expect(load).toThrow(`${name} must`);
    }
  });
});
