import { setTimeout as sleep } from 'node:timers/promises';

import type { Logger } from 'pino';

import {
  MAX_DATA_PER_PUT,
  type Datum,
  type MetricSink,
  type QueueMessage,
  type TelemetryQueue,
} from '../../activities/aws/telemetry';
import { DEVICE_METRICS } from '../../domain/names';
import { readData } from './data';

export interface PumpDeps {
  queue: TelemetryQueue;
  sink: MetricSink;
  logger: Logger;
  /** Batches under way at once. */
  concurrency: number;
  /** Told how many messages ended how. */
  count?(result: 'published' | 'malformed', messages: number): void;
  /** Milliseconds before the first retry after a failure; doubles up to 30 s. */
  retryMs?: number;
}

const LONG_POLL_S = 20;
const SQS_BATCH = 10;
const MAX_RETRY_MS = 30_000;
/** So many messages fill one call to CloudWatch. */
const MESSAGES_PER_PUT = Math.floor(MAX_DATA_PER_PUT / DEVICE_METRICS.length);

/**
 * Moves telemetry from the queue into CloudWatch until `signal` aborts; batches under way are finished first.
 * A message is deleted only after CloudWatch has accepted its data, so a crash in between counts it twice and
 * never loses it. A message that is no telemetry is counted and deleted: it would come again for ever.
 */
export async function runPump(deps: PumpDeps, signal: AbortSignal): Promise<void> {
  await Promise.all(Array.from({ length: deps.concurrency }, () => pumpBatches(deps, signal)));
}

async function pumpBatches(deps: PumpDeps, signal: AbortSignal): Promise<void> {
  const firstRetryMs = deps.retryMs ?? 1_000;
  let retryMs = firstRetryMs;
  while (!signal.aborted) {
    try {
      await moveBatch(deps, await collect(deps.queue, signal));
      retryMs = firstRetryMs;
    } catch (err) {
      if (isStopped(signal)) return;
      deps.logger.error({ err, retryMs }, 'telemetry waits in the queue');
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  }
}

/** Read anew at each call: the signal may abort during any await. */
const isStopped = (signal: AbortSignal): boolean => signal.aborted;

/** Waits for the first messages, then takes what else is there, up to one full call to CloudWatch. */
async function collect(queue: TelemetryQueue, signal: AbortSignal): Promise<QueueMessage[]> {
  const messages = await queue.receive(LONG_POLL_S, signal);
  let more = messages.length === SQS_BATCH;
  while (more && messages.length + SQS_BATCH <= MESSAGES_PER_PUT && !signal.aborted) {
    // What was taken already must not be lost for this one: it only comes back after its visibility time-out.
    const next = await queue.receive(0, signal).catch((): QueueMessage[] => []);
    messages.push(...next);
    more = next.length === SQS_BATCH;
  }
  return messages;
}

async function moveBatch(deps: PumpDeps, messages: readonly QueueMessage[]): Promise<void> {
  const good: QueueMessage[] = [];
  const bad: QueueMessage[] = [];
  const data: Datum[] = [];
  for (const message of messages) {
    const read = readData(message);
    if (read === null) {
      bad.push(message);
    } else {
      good.push(message);
      data.push(...read);
    }
  }
  if (bad.length > 0) {
    const ids = bad.map(({ id }) => id);
    deps.logger.warn({ messages: ids }, 'deleting messages that are no telemetry');
    deps.count?.('malformed', bad.length);
    await removeAll(deps.queue, bad);
  }
  if (good.length === 0) return;
  await deps.sink.put(data);
  deps.count?.('published', good.length);
  await removeAll(deps.queue, good);
}

async function removeAll(queue: TelemetryQueue, messages: readonly QueueMessage[]): Promise<void> {
  for (let index = 0; index < messages.length; index += SQS_BATCH) {
    await queue.remove(messages.slice(index, index + SQS_BATCH));
  }
}
