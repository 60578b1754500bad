import { PutMetricDataCommand, type CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import {
  DeleteMessageBatchCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';

/** One message of a queue; `sentAt` is SQS's own time in epoch milliseconds, not the sender's. */
export interface QueueMessage {
  id: string;
  receipt: string;
  body: string;
  sentAt: number;
}

export interface TelemetryQueue {
  /** Up to 10 messages, waiting up to `waitSeconds` (at most 20) for the first. */
  receive(waitSeconds: number, signal: AbortSignal): Promise<QueueMessage[]>;
  /** Up to 10 messages. Those it can't delete come again. */
  remove(messages: readonly QueueMessage[]): Promise<void>;
}

export interface Datum {
  metric: string;
  dimension: { name: string; value: string };
  value: number;
  /** Epoch milliseconds. */
  at: number;
}

export interface MetricSink {
  /** Up to `MAX_DATA_PER_PUT`. Resolves once CloudWatch has accepted all. Not idempotent: a repeat counts twice. */
  put(data: readonly Datum[]): Promise<void>;
}

/**
 * 1,000 metrics and 1 MB a call; ours take about 300 bytes each.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
 */
export const MAX_DATA_PER_PUT = 1_000;

export function createTelemetryQueue(sqs: SQSClient, queueName: string): TelemetryQueue {
  let url: Promise<string> | undefined;
  const queueUrl = (): Promise<string> => {
    url ??= sqs.send(new GetQueueUrlCommand({ QueueName: queueName })).then(
      ({ QueueUrl }) => QueueUrl ?? '',
      (error: unknown) => {
        url = undefined;
        throw error;
      },
    );
    return url;
  };
  return {
    async receive(waitSeconds, signal) {
      const { Messages: found = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: await queueUrl(),
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: waitSeconds,
          MessageSystemAttributeNames: ['SentTimestamp'],
        }),
        { abortSignal: signal },
      );
      return found.map(({ MessageId, ReceiptHandle, Body, Attributes }) => ({
        id: MessageId ?? '',
        receipt: ReceiptHandle ?? '',
        body: Body ?? '',
        sentAt: Number(Attributes?.SentTimestamp ?? Date.now()),
      }));
    },
    async remove(messages) {
      await sqs.send(
        new DeleteMessageBatchCommand({
          QueueUrl: await queueUrl(),
          Entries: messages.map(({ receipt }, index) => ({
            Id: String(index),
            ReceiptHandle: receipt,
          })),
        }),
      );
    },
  };
}

export function createMetricSink(cloudwatch: CloudWatchClient, namespace: string): MetricSink {
  return {
    async put(data) {
      await cloudwatch.send(
        new PutMetricDataCommand({
          Namespace: namespace,
          MetricData: data.map(({ metric, dimension, value, at }) => ({
            MetricName: metric,
            Dimensions: [{ Name: dimension.name, Value: dimension.value }],
            Value: value,
            Unit: 'Count',
            Timestamp: new Date(at),
          })),
        }),
      );
    },
  };
}
