import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AttachPolicyCommand,
  CreateJobCommand,
  ListThingGroupsForThingCommand,
} from '@aws-sdk/client-iot';
import { DeleteConnectionCommand } from '@aws-sdk/client-iot-data-plane';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { PublishCommand } from '@aws-sdk/client-sns';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { faultInterceptor } from '../../../local/proxies/aws-faults';
import { startAwsProxy, type AwsProxy } from '../../../local/proxies/aws-proxy';

/** Stands for AWS: remembers what reached it and answers what the test wants. */
interface Upstream {
  server: Server;
  requests: { method: string; url: string; host: string; body: Buffer }[];
  connections: Set<number>;
  answer: { status: number; headers: Record<string, string>; body: string };
}

const OK = { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' };

let upstream: Upstream;
let proxy: AwsProxy;
let clients: AwsClients;

beforeAll(async () => {
  upstream = await startUpstream();
  const { port } = upstream.server.address() as AddressInfo;
  proxy = await startAwsProxy({ upstream: `http://127.0.0.1:${port}` });
  clients = createAwsClients({
    region: 'eu-west-1',
    endpoint: proxy.endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
});

afterEach(() => {
  proxy.reset();
  proxy.setDelay(0);
  upstream.requests.length = 0;
  upstream.answer = OK;
});

afterAll(async () => {
  await proxy.stop();
  upstream.server.closeAllConnections();
  await new Promise((resolve) => upstream.server.close(resolve));
});

async function startUpstream(): Promise<Upstream> {
  const state: Omit<Upstream, 'server'> = { requests: [], connections: new Set(), answer: OK };
  const server = createServer((req, res) => {
    state.connections.add(req.socket.remotePort ?? 0);
    void bodyOf(req).then((body) => {
      const { method = '', url = '', headers } = req;
      state.requests.push({ method, url, host: headers.host ?? '', body });
      const { status, headers: answered, body: text } = made.answer;
      res.writeHead(status, answered).end(text);
    });
  });
  const made: Upstream = Object.assign(state, { server });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return made;
}

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const attach = () =>
  clients.iot.send(new AttachPolicyCommand({ policyName: 'deny', target: 'arn:cert/1' }));

describe('recording', () => {
  it('names service, operation and target of each protocol that AWS speaks', async () => {
    const xml = { 'content-type': 'text/xml' };
    await attach();
    await clients.iot.send(new ListThingGroupsForThingCommand({ thingName: 't1' }));
    await clients.iotData.send(new DeleteConnectionCommand({ clientId: 'a b' }));
    await clients.dynamo.send(new GetItemCommand({ TableName: 'guard', Key: { pk: { S: 'x' } } }));
    await clients.sqs.send(new ReceiveMessageCommand({ QueueUrl: 'http://q/1' }));
    upstream.answer = { status: 200, headers: xml, body: '<PublishResponse/>' };
    await clients.sns.send(new PublishCommand({ TopicArn: 'arn:topic', Message: 'm' }));
    await clients.s3.send(new PutObjectCommand({ Bucket: 'b', Key: 'k/1.json', Body: '{}' }));
    await clients.cloudwatch
      .send(new PutMetricDataCommand({ Namespace: 'N', MetricData: [] }))
      .catch(() => undefined);
    const seen = proxy.calls().map(({ service, operation, target, mutating }) => {
      return [service, operation, target, mutating];
    });
    expect(seen.slice(0, 7)).toEqual([
      ['iot', 'AttachPolicy', 'deny→arn:cert/1', true],
      ['iot', 'ListThingGroupsForThing', 't1', false],
      ['iotdata', 'DeleteConnection', 'a b', true],
      ['dynamodb', 'GetItem', 'guard→{"pk":{"S":"x"}}', false],
      ['sqs', 'ReceiveMessage', 'http://q/1', false],
      ['sns', 'Publish', 'arn:topic', true],
      ['s3', 'PutObject', 'b→k/1.json', true],
    ]);
    expect(seen[7]?.slice(0, 2)).toEqual(['monitoring', 'PutMetricData']);
  });

  it('numbers the calls of each operation, and starts again after a reset', async () => {
    await attach();
    await attach();
    expect(proxy.calls().map(({ nth }) => nth)).toEqual([1, 2]);
    proxy.reset();
    await attach();
    expect(proxy.calls().map(({ index, nth }) => [index, nth])).toEqual([[0, 1]]);
  });

  it('keeps the status and the name of an error that AWS answers', async () => {
    upstream.answer = {
      status: 409,
      headers: {
        'content-type': 'application/json',
        'x-amzn-errortype': 'ResourceAlreadyExistsException:http://aws/',
      },
      body: '{"message":"there"}',
    };
    const input = { jobId: 'j1', targets: ['arn:thing/t1'], document: '{"operation":"contain"}' };
    await expect(clients.iot.send(new CreateJobCommand(input))).rejects.toMatchObject({
      name: 'ResourceAlreadyExistsException',
    });
    expect(proxy.calls()[0]).toMatchObject({
      operation: 'CreateJob',
      status: 409,
      error: 'ResourceAlreadyExistsException',
      input: { ...input, jobId: 'j1' },
      answered: true,
    });
  });
});

describe('passing on', () => {
  it('keeps the Host header that SigV4 signed, the path and the body', async () => {
    await clients.s3.send(
      new PutObjectCommand({ Bucket: 'b', Key: 'with space/1.json', Body: 'hello' }),
    );
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.requests[0]).toMatchObject({
      host: new URL(proxy.endpoint).host,
      url: '/b/with%20space/1.json?x-id=PutObject',
    });
    expect(upstream.requests[0]?.body.toString()).toContain('hello');
  });

  it('streams a body that is larger than what it holds', async () => {
    const body = Buffer.alloc(3 * 1024 * 1024, 'x');
    const put = { method: 'PUT', body };
    const response = await fetch(`${proxy.endpoint}/b/large`, put);
    expect(response.status).toBe(200);
    expect(upstream.requests[0]?.body.equals(body)).toBe(true);
  });

  it('brings back an answer that is larger than what it holds', async () => {
    upstream.answer = { status: 200, headers: {}, body: 'y'.repeat(3 * 1024 * 1024) };
    const response = await fetch(`${proxy.endpoint}/b/large`);
    expect((await response.text()).length).toBe(3 * 1024 * 1024);
  });

  it('reuses one connection to AWS for calls one after the other', async () => {
    upstream.connections.clear();
    for (let i = 0; i < 5; i += 1) await attach();
    expect(upstream.connections.size).toBe(1);
  });

  it('adds the delay to each call', async () => {
    proxy.setDelay(60);
    const from = performance.now();
    await attach();
    expect(performance.now() - from).toBeGreaterThanOrEqual(55);
  });
});

describe('intercepting', () => {
  it('asks before AWS sees a call and after it answered', async () => {
    const seen: string[] = [];
    const { remove } = proxy.use({
      before: (call) => {
        seen.push(`before ${call.operation} ${upstream.requests.length} ${call.status ?? '-'}`);
        return undefined;
      },
      after: (call) => {
        seen.push(`after ${call.operation} ${upstream.requests.length} ${call.status ?? '-'}`);
        return undefined;
      },
    });
    await attach();
    remove();
    expect(seen).toEqual(['before AttachPolicy 0 -', 'after AttachPolicy 1 200']);
  });

  it.each([
    ['reset', 0, null],
    ['lostResponse', 1, 200],
    ['status500', 0, null],
    ['throttle', 0, null],
  ] as const)('makes a %s, which the SDK retries', async (kind, reached, status) => {
    const { remove } = proxy.use(faultInterceptor({ kind, times: 1 }));
    await expect(attach()).resolves.toBeDefined();
    remove();
    expect(proxy.calls().map((call) => call.status)).toEqual([status, 200]);
    expect(upstream.requests).toHaveLength(reached + 1);
  });

  it('strikes only the calls that match, and only as often as the seed says', async () => {
    const { remove } = proxy.use(
      faultInterceptor({
        kind: 'status500',
        match: ({ operation }) => operation === 'DeleteConnection',
        probability: 0.5,
        random: sequence([0.1, 0.9]),
      }),
    );
    await attach();
    await clients.iotData.send(new DeleteConnectionCommand({ clientId: 'c' }));
    remove();
    expect(proxy.calls().map(({ operation, forwarded }) => [operation, forwarded])).toEqual([
      ['AttachPolicy', true],
      ['DeleteConnection', false],
      ['DeleteConnection', true],
    ]);
  });
});

function sequence(values: number[]): () => number {
  let at = 0;
  return () => values[at++ % values.length] ?? 0;
}

it('cuts the connection when AWS is not there, and lives on', async () => {
  const lonely = await startAwsProxy({ upstream: 'http://127.0.0.1:1' });
  await expect(fetch(`${lonely.endpoint}/things/t1`)).rejects.toThrow();
  await expect(fetch(`${lonely.endpoint}/things/t1`)).rejects.toThrow();
  expect(lonely.calls().map(({ status, answered }) => [status, answered])).toEqual([
    [null, false],
    [null, false],
  ]);
  await lonely.stop();
});
