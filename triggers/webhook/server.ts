import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

import { asksForRetry, codeOfHttpError, RETRY_AFTER_S, STATUS_OF } from './answers';
import type { AnswerBody, AnswerCode } from './answers';
import type { Delivery } from './delivery';
import type { WebhookMetrics } from './metrics';
import { describeApi } from './openapi';
import type { Sender } from './sender';

declare module 'fastify' {
  interface FastifyContextConfig {
    sender?: Sender['name'];
  }
}

export interface WebhookDeps {
  /** A route each. */
  senders: readonly Sender[];
  isTemporalReachable(): Promise<boolean>;
  metrics: WebhookMetrics;
  logger: Logger;
  /** Requests per minute and source address. */
  rateLimitPerMinute: number;
  /** How many proxies of ours stand in front and append to X-Forwarded-For. */
  trustedProxies: number;
}

const BODY_LIMIT = 256 * 1024;
const MAX_HEADER_SIZE = 8 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 5_000;
const MAX_SOURCES = 10_000;

/** The webhook, not yet listening. `close()` drains: requests under way are answered first. */
export async function createWebhook(deps: WebhookDeps): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    trustProxy: (_address, hop) => hop < deps.trustedProxies,
    http: { maxHeaderSize: MAX_HEADER_SIZE, headersTimeout: HEADERS_TIMEOUT_MS },
  });
  drainOnClose(app);
  await app.register(rateLimit, { global: false, cache: MAX_SOURCES });
  takeRawBodies(app, deps.senders);
  answerErrors(app, deps);
  for (const sender of deps.senders) addSender(app, deps, sender);
  addOperatorRoutes(app, deps);
  return app;
}

/** Answers that are still under way end their connections: a kept-alive one would hold the drain up. */
function drainOnClose(app: FastifyInstance): void {
  let draining = false;
  app.addHook('preClose', (done) => {
    draining = true;
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (draining) void reply.header('connection', 'close');
    done(null, payload);
  });
}

/** Signatures are over bytes: no parser may touch them before the verifier. */
function takeRawBodies(app: FastifyInstance, senders: readonly Sender[]): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    [...new Set(senders.flatMap(({ contentTypes }) => contentTypes))],
    { parseAs: 'buffer', bodyLimit: BODY_LIMIT },
    (_request, body, done) => done(null, body),
  );
}

/** The rate limit comes before credentials are compared, and both before the body is read. */
function addSender(app: FastifyInstance, deps: WebhookDeps, sender: Sender): void {
  const rateLimit = { max: deps.rateLimitPerMinute, timeWindow: 60_000 };
  app.post(`/alarms/${sender.name}`, {
    config: { rateLimit, sender: sender.name },
    preParsing: async (request, reply) => {
      const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
      const code = sender.contentTypes.includes(type)
        ? (sender.refuse?.(request.headers) ?? null)
        : 'unsupportedMediaType';
      if (code === null) return;
      // The rest of the body is not waited for.
      await send(deps, request, reply.header('connection', 'close'), { code });
    },
    handler: async (request, reply) => {
      const raw = request.body instanceof Uint8Array ? request.body : new Uint8Array();
      return send(deps, request, reply, await sender.receive(raw, request.headers));
    },
  });
}

function answerErrors(app: FastifyInstance, deps: WebhookDeps): void {
  app.setNotFoundHandler((request, reply) => send(deps, request, reply, { code: 'notFound' }));
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const code = codeOfHttpError(error.statusCode ?? 500);
    if (code === 'internal') deps.logger.error({ err: error }, 'a request failed');
    return send(deps, request, reply, { code });
  });
}

function send(
  deps: WebhookDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  answer: Omit<Delivery, 'code'> & { code: AnswerCode },
): FastifyReply {
  const status = STATUS_OF[answer.code];
  const { sender = 'none' } = request.routeOptions.config;
  deps.metrics.request(sender, answer.code, reply.elapsedTime / 1_000);
  // Forged requests are counted, not written one by one; what was verified is worth a line.
  const level = answer.messageId === undefined ? 'debug' : 'info';
  deps.logger[level]({ ...answer, sender, from: request.ip }, 'delivery');
  if (asksForRetry(status)) void reply.header('retry-after', RETRY_AFTER_S);
  const { code, detail, counts } = answer;
  const body: AnswerBody = {
    code,
    ...(detail !== undefined && { detail }),
    ...(counts !== undefined && { counts }),
  };
  return reply.code(status).send(body);
}

function addOperatorRoutes(app: FastifyInstance, deps: WebhookDeps): void {
  app.get('/healthz', async (_request, reply) => {
    const temporal = await deps.isTemporalReachable();
    return reply.code(temporal ? 200 : 503).send({ ok: temporal, temporal });
  });
  const api = JSON.stringify(describeApi(deps.senders));
  app.get('/openapi.json', (_request, reply) => reply.type('application/json').send(api));
  app.get('/metrics', async (_request, reply) => {
    const { registry } = deps.metrics;
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}
