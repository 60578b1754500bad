import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createAwsClients } from '../activities/aws/clients';
import { connectionOptions } from '../domain/environment';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';
import { wireActivities } from './activities';
import { workflowBundle } from './bundle';
import { loadConfig, type WorkerConfig } from './config';
import { createRunbookStarter, createRunFinder } from './runbook-starter';

const ROOT = join(__dirname, '..');
const GRACE = '5 seconds';
/** A workflow whose worker died waits this long before another takes it over; the SDK's default is 10 seconds. */
const STICKY = '1 second';
/** Where the SDK's default of 100 does not fit: watches only wait, and evidence takes memory and calls. */
const AT_ONCE: Partial<Record<TaskQueue, number>> = { watch: 1_000, evidence: 8 };

const USAGE = `Runs the runbooks' workflows and activities.

Usage: npm run worker

Configured by environment variables: TEMPORAL_ADDRESS, AWS_REGION, AWS_ACCOUNT_ID, IOT_DATA_ENDPOINT, WORKER_QUEUES, ...
docs/operating.md lists them all; a wrong one is named at start.
`;

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(USAGE);
    return;
  }
  const config = loadConfig(process.env);
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger(config.logLevel),
    telemetryOptions: {
      logging: { filter: { core: 'ERROR', other: 'ERROR' } },
      ...(config.metricsAddress !== undefined && {
        metrics: { prometheus: { bindAddress: config.metricsAddress } },
      }),
    },
  });
  const options = connectionOptions(config.temporal, (path) => readFileSync(path));
  const connection = await NativeConnection.connect(options);
  const clientConnection = await Connection.connect(options);
  const client = new Client({ connection: clientConnection, namespace: config.temporal.namespace });
  const workers = await createWorkers(config, connection, client);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      for (const worker of workers) worker.shutdown();
    });
  const running = Promise.all(workers.map((worker) => worker.run()));
  process.stdout.write(`worker ready: ${config.queues.join(', ')}\n`);
  await running;
  await Promise.all([connection.close(), clientConnection.close()]);
}

async function createWorkers(
  config: WorkerConfig,
  connection: NativeConnection,
  client: Client,
): Promise<Worker[]> {
  const activities = wireActivities(config, createAwsClients(config.aws), {
    ...createRunbookStarter(client),
    ...createRunFinder(client),
  });
  return Promise.all(
    config.queues.map(async (taskQueue) =>
      Worker.create({
        connection,
        namespace: config.temporal.namespace,
        taskQueue,
        activities: activities[taskQueue],
        shutdownGraceTime: GRACE,
        maxConcurrentActivityTaskExecutions: AT_ONCE[taskQueue] ?? 100,
        // A watch learns of its cancellation by heartbeat, and a release waits for that.
        maxHeartbeatThrottleInterval: '500 milliseconds',
        stickyQueueScheduleToStartTimeout: STICKY,
        ...(taskQueue === TASK_QUEUES.runbooks && {
          workflowBundle: await workflowBundle(ROOT, join(ROOT, '.local', 'cache')),
        }),
      }),
    ),
  );
}

main().then(
  () => process.exit(0),
  (err: unknown) => {
    process.stderr.write(`${err instanceof Error ? err.message : String(err)}\n`);
    process.exit(1);
  },
);
