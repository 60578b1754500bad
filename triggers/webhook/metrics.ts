import { Counter, Histogram, Registry } from 'prom-client';

export interface WebhookMetrics {
  registry: Registry;
  /** `sender` is none where no route was met. */
  request(sender: string, code: string, seconds: number): void;
  certificateFetch(result: string): void;
}

/** Every label value is a code of ours, never anything a caller sent. */
export function createWebhookMetrics(): WebhookMetrics {
  const registry = new Registry();
  const requests = new Counter({
    name: 'webhook_requests_total',
    help: 'Requests by sender and how they ended',
    labelNames: ['sender', 'code'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'webhook_request_duration_seconds',
    help: 'From the first byte to the answer',
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  const fetches = new Counter({
    name: 'webhook_certificate_fetches_total',
    help: 'Outbound requests for SNS signing certificates by result',
    labelNames: ['result'],
    registers: [registry],
  });
  return {
    registry,
    request(sender, code, seconds) {
      requests.inc({ sender, code });
      duration.observe(seconds);
    },
    certificateFetch: (result) => fetches.inc({ result }),
  };
}
