import { pino } from 'pino';

import { createAwsClients } from '../../activities/aws/clients';
import { createMetricSink, createTelemetryQueue } from '../../activities/aws/telemetry';
import { loadConfig } from './config';
import { runPump } from './pump';

const HELP = `Moves device telemetry from its queue into CloudWatch metrics, one series per device and metric.

Environment: AWS_REGION (required), TELEMETRY_QUEUE, TELEMETRY_NAMESPACE, TELEMETRY_CONCURRENCY, AWS_ENDPOINT_URL
and the AWS SDK's own variables for credentials, LOG_LEVEL.
`;

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const logger = pino({ level: config.logLevel, name: 'telemetry' });
  const { awsEndpoint: endpoint, region } = config;
  const clients = createAwsClients({ region, ...(endpoint !== undefined && { endpoint }) });
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  process.once('SIGINT', () => stop.abort());
  logger.info({ queue: config.queueName }, 'telemetry pump ready');
  await runPump(
    {
      queue: createTelemetryQueue(clients.sqs, config.queueName),
      sink: createMetricSink(clients.cloudwatch, config.namespace),
      logger,
      concurrency: config.concurrency,
    },
    stop.signal,
  );
}

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
} else {
  main().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exit(1);
    },
  );
}
