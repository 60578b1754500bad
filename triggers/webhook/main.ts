import { readFileSync } from 'node:fs';

import { pino } from 'pino';

import { createAlarmSource, type AlarmClients } from '../../activities/aws/alarms';
import { createAwsClients } from '../../activities/aws/clients';
import { connectionOptions } from '../../domain/environment';
import { loadRunbook } from '../../runbooks/load';
import { loadConfig, type WebhookConfig } from './config';
import { createIntake } from './intake';
import { createMessageMemory } from './message-memory';
import { createWebhookMetrics } from './metrics';
import { createSenders } from './senders';
import { createWebhook } from './server';
import { MAX_AGE_MS } from './sns/verifier';

const HELP = `Takes alarms and starts runbooks. Each sender with a credential has a route; docs/senders.md shows how to set it up.

  POST /alarms/sns           CloudWatch alarms by an SNS subscription over HTTPS
  POST /alarms/eventbridge   CloudWatch alarms by an EventBridge API destination
  POST /alarms/alertmanager  Alertmanager's webhook
  POST /alarms/webhook       any tool that signs after Standard Webhooks
  GET  /openapi.json         all of it as OpenAPI 3.1
  GET  /healthz              200 while it serves and Temporal answers
  GET  /metrics              Prometheus

Environment, of which at least one sender's:
  SNS_TOPIC_ARNS, SNS_SIGNING_HOST, SNS_CA_FILE
  EVENTBRIDGE_API_KEYS, EVENTBRIDGE_REGIONS
  ALERTMANAGER_TOKENS, ALERTMANAGER_URL, ALERTMANAGER_API_TOKEN, ALERTMANAGER_DIMENSIONS
  STANDARD_WEBHOOKS_SECRETS
and WEBHOOK_HOST, WEBHOOK_PORT, WEBHOOK_RATE_LIMIT_PER_MINUTE, WEBHOOK_TRUSTED_PROXIES, TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, RUNBOOKS_DIR, AWS_ENDPOINT_URL and the AWS SDK's own variables for credentials, LOG_LEVEL.
`;
const REMEMBERED_MESSAGES = 100_000;
const DRAIN_MS = 12_000;

/** SDK clients, one set for each region that an allowed topic or event lies in. */
function clientsByRegion(config: WebhookConfig): (region: string) => AlarmClients {
  const clients = new Map<string, AlarmClients>();
  return (region) => {
    const found = clients.get(region);
    if (found !== undefined) return found;
    const { awsEndpoint: endpoint } = config;
    const made = createAwsClients({ region, ...(endpoint !== undefined && { endpoint }) });
    clients.set(region, made);
    return made;
  };
}

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const logger = pino({ level: config.logLevel, name: 'webhook' });
  const metrics = createWebhookMetrics();
  const intake = createIntake({
    connection: connectionOptions(config.temporal, (path) => readFileSync(path)),
    namespace: config.temporal.namespace,
  });
  const senders = createSenders(config.senders, {
    alarms: createAlarmSource(clientsByRegion(config)),
    runbooks: [loadRunbook(config.runbooksFolder, 'quarantine')],
    startIntake: (input) => intake.start(input),
    memory: createMessageMemory({ keepMs: 2 * MAX_AGE_MS, limit: REMEMBERED_MESSAGES }),
    onFailure: (action, err) => logger.error({ err, action }, 'a delivery must come again'),
    metrics,
  });
  const app = await createWebhook({
    senders,
    isTemporalReachable: () => intake.isReachable(),
    metrics,
    logger,
    rateLimitPerMinute: config.rateLimitPerMinute,
    trustedProxies: config.trustedProxies,
  });
  await app.listen({ host: config.host, port: config.port });

  const drain = (): void => {
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    void app
      .close()
      .then(() => intake.close())
      .then(() => process.exit(0));
  };
  process.once('SIGTERM', drain);
  process.once('SIGINT', drain);
}

if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
} else {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}
