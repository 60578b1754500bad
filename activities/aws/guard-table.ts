import type { AttributeValue, DynamoDBClient, TransactWriteItem } from '@aws-sdk/client-dynamodb';
import {
  QueryCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  TransactionConflictException,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { z } from 'zod';
import type { GuardTable, GuardWrite, ItemKey, StoredItem } from '../guard/table';

/** A guard that does not answer means no; it must say so well before an activity's own time-out. */
const CALL_TIMEOUT_MS = 5_000;

const itemSchema = z.object({
  pk: z.object({ S: z.string() }),
  sk: z.object({ S: z.string() }),
  version: z.object({ S: z.string() }),
  body: z.object({ S: z.string() }),
});

/**
 * The guard's table in DynamoDB: string keys `pk` and `sk`, attributes `version` and `body` (JSON).
 * Safe to retry, also after a lost answer: the SDK's own retries carry one client request token, and a later attempt is
 * conditional on versions that the first one changed.
 */
export function createGuardTable(
  dynamo: DynamoDBClient,
  tableName: string,
  { callTimeoutMs = CALL_TIMEOUT_MS } = {},
): GuardTable {
  const inTime = () => ({ abortSignal: AbortSignal.timeout(callTimeoutMs) });
  return {
    async read(keys) {
      const gets = keys.map((key) => ({ Get: { TableName: tableName, Key: marshalKey(key) } }));
      const command = new TransactGetItemsCommand({ TransactItems: gets });
      const output = await unlessConflict(() => dynamo.send(command, inTime()));
      if (output === 'conflict') return output;
      return keys.map((_, at) => {
        const item = output.Responses?.[at]?.Item;
        return item === undefined ? null : unmarshal(item);
      });
    },

    list: (pk) => listAll(dynamo, tableName, pk, inTime),

    async write(writes) {
      const command = new TransactWriteItemsCommand({
        TransactItems: writes.map((write) => toTransactItem(tableName, write)),
      });
      const output = await unlessConflict(() => dynamo.send(command, inTime()));
      return output === 'conflict' ? output : 'committed';
    },
  };
}

async function listAll(
  dynamo: DynamoDBClient,
  tableName: string,
  pk: string,
  inTime: () => { abortSignal: AbortSignal },
): Promise<StoredItem[]> {
  const items: StoredItem[] = [];
  let from: Record<string, AttributeValue> | undefined;
  do {
    const command = new QueryCommand({
      TableName: tableName,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: pk } },
      ...(from !== undefined && { ExclusiveStartKey: from }),
    });
    const page = await dynamo.send(command, inTime());
    items.push(...(page.Items ?? []).map(unmarshal));
    from = page.LastEvaluatedKey;
  } while (from !== undefined);
  return items;
}

function toTransactItem(table: string, write: GuardWrite): TransactWriteItem {
  const shared = { TableName: table, ...condition(write.expected) };
  switch (write.act) {
    case 'put':
      return { Put: { ...shared, Item: marshal(write.item) } };
    case 'remove':
      return { Delete: { ...shared, Key: marshalKey(write.key) } };
    case 'unchanged':
      return { ConditionCheck: { ...shared, Key: marshalKey(write.key) } };
  }
}

const condition = (expected: string | null) =>
  expected === null
    ? { ConditionExpression: 'attribute_not_exists(pk)' }
    : {
        ConditionExpression: '#version = :expected',
        ExpressionAttributeNames: { '#version': 'version' },
        ExpressionAttributeValues: { ':expected': { S: expected } },
      };

const marshalKey = ({ pk, sk }: ItemKey) => ({ pk: { S: pk }, sk: { S: sk } });
const marshal = ({ version, body, ...key }: StoredItem) => ({
  ...marshalKey(key),
  version: { S: version },
  body: { S: body },
});

function unmarshal(raw: Record<string, AttributeValue>): StoredItem {
  const { pk, sk, version, body } = itemSchema.parse(raw);
  return { pk: pk.S, sk: sk.S, version: version.S, body: body.S };
}

/** Why a transaction is cancelled stands in its reasons, one per item: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html */
const CONFLICT_REASONS = new Set([
  'None',
  'ConditionalCheckFailed',
  'TransactionConflict',
  // The SDK does not retry these when they stand in a transaction's reasons. A rollout that leases thousands meets them.
  'ThrottlingError',
  'ProvisionedThroughputExceeded',
]);

async function unlessConflict<T>(call: () => Promise<T>): Promise<T | 'conflict'> {
  try {
    return await call();
  } catch (err) {
    if (err instanceof TransactionConflictException) return 'conflict';
    if (!(err instanceof TransactionCanceledException)) throw err;
    const reasons = err.CancellationReasons ?? [];
    const onlyConflicts = reasons.every((reason) => CONFLICT_REASONS.has(reason.Code ?? 'None'));
    if (reasons.length === 0 || !onlyConflicts) throw err;
    return 'conflict';
  }
}
