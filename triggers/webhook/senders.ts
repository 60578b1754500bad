import { readFileSync } from 'node:fs';

import type { AlarmSource } from '../../domain/alarm/source';
import { createAlertmanagerSender } from './alertmanager/sender';
import { createAlertmanagerSource } from './alertmanager/source';
import type { DeliveryDeps } from './delivery';
import { createEventBridgeSender } from './eventbridge/sender';
import type { WebhookMetrics } from './metrics';
import type { Sender } from './sender';
import type { SenderSettings } from './sender-config';
import { httpsGet } from './sns/https-get';
import { createSnsSender } from './sns/sender';
import { createSigningCertificates } from './sns/signing-certificates';
import { createSnsVerifier, type SnsVerifier } from './sns/verifier';
import { createStandardWebhooksSender } from './standard-webhooks/sender';

export interface SendersDeps extends DeliveryDeps {
  /** CloudWatch and SNS. */
  alarms: AlarmSource;
  metrics: WebhookMetrics;
}

const CERTIFICATE_TIMEOUT_MS = 3_000;
const CERTIFICATE_MAX_BYTES = 16 * 1024;

/** The senders that have a credential. */
export function createSenders(settings: SenderSettings, deps: SendersDeps): Sender[] {
  const { sns, eventbridge, alertmanager, webhook } = settings;
  return [
    ...(sns === undefined
      ? []
      : [createSnsSender({ ...deps, verifier: createVerifier(sns, deps.metrics) })]),
    ...(eventbridge === undefined ? [] : [createEventBridgeSender({ ...deps, ...eventbridge })]),
    ...(alertmanager === undefined ? [] : [createAlertmanager(alertmanager, deps)]),
    ...(webhook === undefined ? [] : [createStandardWebhooksSender({ ...deps, ...webhook })]),
  ];
}

function createVerifier(
  { topics, caFile }: NonNullable<SenderSettings['sns']>,
  metrics: WebhookMetrics,
): SnsVerifier {
  const ca = caFile === undefined ? undefined : readFileSync(caFile, 'utf8');
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
  return createSnsVerifier({ topics, certificates });
}

function createAlertmanager(
  { tokens, dimensions, url, apiToken }: NonNullable<SenderSettings['alertmanager']>,
  deps: DeliveryDeps,
): Sender {
  const source =
    url === undefined
      ? undefined
      : createAlertmanagerSource({ url, ...(apiToken !== undefined && { token: apiToken }) });
  return createAlertmanagerSender({
    ...deps,
    tokens,
    dimensions,
    ...(source !== undefined && { source }),
  });
}
