import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import {
  CreateBucketCommand,
  HeadBucketCommand,
  type BucketLocationConstraint,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ifPresent, type Resource } from '../provision/resource';

interface TableShape {
  name: string;
  /** String keys: the partition key, then the sort key if there is one. */
  keys: readonly [string] | readonly [string, string];
  ttlAttribute?: string;
}

const TABLE_WITHIN_SECONDS = 120;

export function tableResource(dynamo: DynamoDBClient, shape: TableShape): Resource {
  const { name, keys, ttlAttribute } = shape;
  const TableName = name;
  return {
    kind: 'table',
    name,
    mends: {
      keys: `a table's keys are for good: delete ${name} if it may go, then run this again`,
    },
    desired: () => ({
      keys: keys.join(', '),
      ...(ttlAttribute !== undefined && { expiresBy: ttlAttribute }),
    }),
    read: () =>
      ifPresent(async () => {
        const { Table } = await dynamo.send(new DescribeTableCommand({ TableName }));
        const ttl = await dynamo.send(new DescribeTimeToLiveCommand({ TableName }));
        const on = ['ENABLED', 'ENABLING'].includes(
          ttl.TimeToLiveDescription?.TimeToLiveStatus ?? '',
        );
        return {
          keys: keysOf(Table?.KeySchema ?? []).join(', '),
          expiresBy: on ? (ttl.TimeToLiveDescription?.AttributeName ?? '') : 'never',
        };
      }),
    async create() {
      await dynamo.send(
        new CreateTableCommand({
          TableName,
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: keys.map((AttributeName) => ({
            AttributeName,
            AttributeType: 'S',
          })),
          KeySchema: keys.map((AttributeName, at) => ({
            AttributeName,
            KeyType: at === 0 ? 'HASH' : 'RANGE',
          })),
        }),
      );
      await ready(dynamo, name);
      if (ttlAttribute !== undefined) await expireBy(dynamo, name, ttlAttribute);
    },
    async update() {
      await ready(dynamo, name);
      if (ttlAttribute !== undefined) await expireBy(dynamo, name, ttlAttribute);
    },
  };
}

const keysOf = (
  schema: readonly { AttributeName?: string | undefined; KeyType?: string | undefined }[],
): string[] =>
  [...schema]
    .sort((a, b) => (a.KeyType ?? '').localeCompare(b.KeyType ?? ''))
    .map(({ AttributeName }) => AttributeName ?? '');

async function ready(client: DynamoDBClient, TableName: string): Promise<void> {
  const patience = { client, maxWaitTime: TABLE_WITHIN_SECONDS, minDelay: 1, maxDelay: 5 };
  await waitUntilTableExists(patience, { TableName });
}

async function expireBy(
  dynamo: DynamoDBClient,
  TableName: string,
  AttributeName: string,
): Promise<void> {
  const TimeToLiveSpecification = { Enabled: true, AttributeName };
  await dynamo.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }));
}

export function bucketResource(s3: S3Client, bucket: string, region: string): Resource {
  return {
    kind: 'bucket',
    name: bucket,
    desired: () => ({ owner: 'us' }),
    mends: { owner: 'another account has this name: give the account its bucket back' },
    read: async () => {
      try {
        return await ifPresent(async () => {
          await s3.send(new HeadBucketCommand({ Bucket: bucket }));
          return { owner: 'us' };
        });
      } catch (err) {
        if (err instanceof Error && ['403', 'Forbidden', 'AccessDenied'].includes(err.name)) {
          return { owner: 'someone else, or we may not look' };
        }
        throw err;
      }
    },
    async create() {
      // us-east-1 is the one region that must not be named.
      const LocationConstraint = region as BucketLocationConstraint;
      await s3.send(
        new CreateBucketCommand({
          Bucket: bucket,
          ...(region !== 'us-east-1' && { CreateBucketConfiguration: { LocationConstraint } }),
        }),
      );
    },
    update: () => Promise.resolve(),
  };
}
