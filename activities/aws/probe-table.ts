import { GetItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';

export interface ProbeTable {
  /** Whether a telemetry message carrying this nonce got past the broker's policies and through the rule. */
  arrived(nonce: string): Promise<boolean>;
}

export function createProbeTable(dynamo: DynamoDBClient, tableName: string): ProbeTable {
  return {
    async arrived(nonce) {
      const { Item } = await dynamo.send(
        new GetItemCommand({
          TableName: tableName,
          Key: { nonce: { S: nonce } },
          ConsistentRead: true,
        }),
      );
      return Item !== undefined;
    },
  };
}
