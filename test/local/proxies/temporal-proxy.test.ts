import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { startTemporalProxy, type TemporalProxy } from '../../../local/proxies/temporal-proxy';
import { temporalAddress } from '../../support/temporal';
import type { carried } from './temporal-workflows';

/** Larger than HTTP/2's first flow-control window of 65,535 bytes. */
const LARGE = 'x'.repeat(300_000);
const QUEUE = `proxied-${process.pid}`;

let proxy: TemporalProxy;
let direct: Connection;
let viaProxy: NativeConnection;
let client: Client;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const upstream = await temporalAddress();
  proxy = await startTemporalProxy({ upstream });
  direct = await Connection.connect({ address: upstream });
  viaProxy = await NativeConnection.connect({ address: proxy.address });
  client = new Client({ connection: direct });
}, 120_000);

afterAll(async () => {
  await viaProxy.close();
  await direct.close();
  await proxy.stop();
});

async function runCarried(workflowId: string, text: string): Promise<string> {
  const worker = await Worker.create({
    connection: viaProxy,
    taskQueue: QUEUE,
    workflowsPath: require.resolve('./temporal-workflows'),
    activities: { echo: (value: string) => Promise.resolve(value) },
  });
  const result = worker.runUntil(
    client.workflow.execute<typeof carried>('carried', {
      workflowId,
      taskQueue: QUEUE,
      args: [text],
      workflowTaskTimeout: '1 second',
    }),
  );
  return await result;
}

it('carries a whole workflow, with payloads larger than the flow-control window', async () => {
  const seen: string[] = [];
  const { remove } = proxy.use({
    before: (call) => void seen.push(`before ${call.method} ${call.nth}`),
    after: (call) => void seen.push(`after ${call.method} ${call.nth}`),
  });
  proxy.reset();
  await expect(runCarried('carried-whole', LARGE)).resolves.toBe(LARGE);
  remove();
  expect(seen).toEqual(
    expect.arrayContaining([
      'after PollWorkflowTaskQueue 1',
      'before RespondWorkflowTaskCompleted 1',
      'after RespondWorkflowTaskCompleted 1',
      'after PollActivityTaskQueue 2',
      'before RespondActivityTaskCompleted 2',
      'after RespondActivityTaskCompleted 2',
    ]),
  );
  expect(seen.filter((line) => line.startsWith('before Poll'))).toEqual([]);
}, 60_000);

it('loses a completion that is dropped before the server sees it, and Temporal runs the task again', async () => {
  let dropped = 0;
  const { remove } = proxy.use({
    before: (call) => {
      if (call.method !== 'RespondWorkflowTaskCompleted' || dropped > 0) return undefined;
      dropped += 1;
      return 'drop';
    },
  });
  await expect(runCarried('carried-again', 'short')).resolves.toBe('short');
  remove();
  expect(dropped).toBe(1);
}, 60_000);

it('answers UNAVAILABLE when the server is not there', async () => {
  const lonely = await startTemporalProxy({ upstream: '127.0.0.1:1' });
  await expect(
    Connection.connect({ address: lonely.address, connectTimeout: '2 seconds' }),
  ).rejects.toThrow();
  await lonely.stop();
}, 30_000);
