import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { IAMClient } from '@aws-sdk/client-iam';
import { IoTClient } from '@aws-sdk/client-iot';
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane';
import { S3Client } from '@aws-sdk/client-s3';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';

export interface AwsConfig {
  region: string;
  /** One endpoint for every service, as the local stack has it; absent on AWS. */
  endpoint?: string;
  /** `https://<prefix>-ats.iot.<region>.amazonaws.com` (`aws iot describe-endpoint --endpoint-type iot:Data-ATS`). */
  iotDataEndpoint?: string;
  /** Absent: the SDK's own provider chain. */
  credentials?: { accessKeyId: string; secretAccessKey: string };
}

export type AwsClients = ReturnType<typeof createAwsClients>;

/** A call that hangs must end well before the step that makes it is tried again elsewhere. */
const TIMEOUTS = { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true };
/** SQS answers a long poll after up to 20 s. */
const LONG_POLL_TIMEOUTS = { ...TIMEOUTS, requestTimeout: 30_000 };

/** SDK clients with the SDK's own adaptive retries left at 3 attempts: longer waiting is Temporal's. */
export function createAwsClients(config: AwsConfig) {
  const shared = {
    region: config.region,
    requestHandler: TIMEOUTS,
    ...(config.endpoint !== undefined && { endpoint: config.endpoint }),
    ...(config.credentials !== undefined && { credentials: config.credentials }),
  };
  const dataEndpoint = config.iotDataEndpoint ?? config.endpoint;
  return {
    iot: new IoTClient(shared),
    iotData: new IoTDataPlaneClient({
      ...shared,
      ...(dataEndpoint !== undefined && { endpoint: dataEndpoint }),
    }),
    cloudwatch: new CloudWatchClient(shared),
    logs: new CloudWatchLogsClient(shared),
    dynamo: new DynamoDBClient(shared),
    s3: new S3Client({ ...shared, forcePathStyle: config.endpoint !== undefined }),
    sns: new SNSClient(shared),
    sqs: new SQSClient({ ...shared, requestHandler: LONG_POLL_TIMEOUTS }),
    iam: new IAMClient(shared),
    // What does not answer at once has a value that stands in.
    quotas: new ServiceQuotasClient({
      ...shared,
      requestHandler: { ...TIMEOUTS, requestTimeout: 1_500 },
      maxAttempts: 1,
    }),
  };
}
