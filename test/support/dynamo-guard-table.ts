import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createGuardTable } from '../../activities/aws/guard-table';
import type { GuardTable } from '../../activities/guard/table';
import type { Emulator } from '../../local/stack/emulator';

export const dynamoClient = (emulator: Emulator): DynamoDBClient =>
  new DynamoDBClient({
    region: emulator.region,
    endpoint: emulator.endpoint,
    credentials: emulator.credentials,
  });

/** A fresh, empty table with the keys that provisioning gives it. */
export async function makeDynamoTable(dynamo: DynamoDBClient, name: string): Promise<GuardTable> {
  await dynamo.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
  return createGuardTable(dynamo, name);
}
