import { readFileSync } from 'node:fs';

import { pino } from 'pino';

import { createAlarmSource, type AlarmClients } from '../../activities/aws/alarms';
import { createAwsClients } from '../../activities/aws/clients';
import { connectionOptions } from '../../domain/environment';
import { loadRunbook } from '../../runbooks/load';
import { loadConfig, type WebhookConfig } from './config';
import { httpsGet } from './https-get';
import { createIntake } from './intake';
import { createMessageMemory } from './message-memory';
import { createWebhookMetrics } from './metrics';
import { createWebhook } from './server';
import { createSigningCertificates } from './signing-certificates';
import { createSnsVerifier, MAX_AGE_MS } from './sns-verifier';

const HELP = `Takes CloudWatch alarms from SNS and starts runbooks.

  POST /alarms/sns   for an SNS subscription over HTTPS
  GET  /healthz      200 while it serves and Temporal answers
  GET  /metrics      Prometheus

Environment: SNS_TOPIC_ARNS (required), SNS_SIGNING_HOST, SNS_CA_FILE, WEBHOOK_HOST, WEBHOOK_PORT,
WEBHOOK_RATE_LIMIT_PER_MINUTE, WEBHOOK_TRUSTED_PROXIES, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, RUNBOOKS_DIR,
AWS_ENDPOINT_URL and the AWS SDK's own variables for credentials, LOG_LEVEL.
`;
const CERTIFICATE_TIMEOUT_MS = 3_000;
const CERTIFICATE_MAX_BYTES = 16 * 1024;
const REMEMBERED_MESSAGES = 100_000;
const DRAIN_MS = 12_000;

/** SDK clients, one set for each region that an allowed topic lies in. */
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
  const ca = config.snsCaFile === undefined ? undefined : readFileSync(config.snsCaFile, 'utf8');
  const certificates = createSigningCertificates({
    fetch: (host, path) =>
      httpsGet({
        host,
        path,
        ...(ca !== undefined && { ca }),
        timeoutMs: CERTIFICATE_TIMEOUT_MS,
        maxBytes: CERTIFICATE_MAX_BYTES,
      }),
    onFetch: (result) => metrics.certificateFetch(result),
  });
  const intake = createIntake({
    connection: connectionOptions(config.temporal, (path) => readFileSync(path)),
    namespace: config.temporal.namespace,
  });
  const app = await createWebhook({
    verifier: createSnsVerifier({ topics: config.topics, certificates }),
    alarms: createAlarmSource(clientsByRegion(config)),
    runbooks: [loadRunbook(config.runbooksFolder, 'quarantine')],
    startIntake: (input) => intake.start(input),
    isTemporalReachable: () => intake.isReachable(),
    memory: createMessageMemory({ keepMs: 2 * MAX_AGE_MS, limit: REMEMBERED_MESSAGES }),
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
