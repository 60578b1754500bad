import { z } from 'zod';

import { answerBody, asksForRetry, REQUEST_CODES, STATUS_OF, type AnswerCode } from './answers';
import type { Sender } from './sender';

type Json = Record<string, unknown>;

/** The one that OpenAPI 3.1 takes a schema to be of. */
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

const health = z.strictObject({ ok: z.boolean(), temporal: z.boolean() });

/**
 * The OpenAPI 3.1 document of what is served: a path for each sender that has a credential. Its schemas are those that
 * parse the requests, so that it can't say otherwise.
 */
export function describeApi(senders: readonly Sender[]): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'iot-runbooks webhook',
      version: '1',
      description:
        'Takes alarms and starts runbooks. An alarm is acknowledged once Temporal has accepted it; 429 and 5xx ask for it again.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths: {
      ...Object.fromEntries(
        senders.map((sender) => [`/alarms/${sender.name}`, { post: operationOf(sender) }]),
      ),
      ...OPERATOR_PATHS,
    },
    components: {
      schemas: { Answer: toSchema(answerBody), Health: toSchema(health) },
      securitySchemes: Object.fromEntries(
        senders.flatMap(({ description }) => Object.entries(description.security)),
      ),
    },
  };
}

function operationOf({ name, contentTypes, description }: Sender): Json {
  const { summary, text, body, security, headers = [], codes } = description;
  const schema = toSchema(body);
  const examples = Object.fromEntries(
    Object.entries(description.examples).map(([key, example]) => [
      key,
      {
        summary: `${example.summary}: ${example.code} (${STATUS_OF[example.code]})`,
        value: example.value,
      },
    ]),
  );
  const content = (type: string): [string, Json] => [type, { schema, examples }];
  return {
    operationId: name,
    summary,
    description: text,
    // An empty list: nothing beside the body itself.
    security: Object.keys(security).map((scheme) => ({ [scheme]: [] })),
    parameters: headers.map((header) => ({
      name: header.name,
      in: 'header',
      required: true,
      description: header.description,
      schema: toSchema(header.schema),
    })),
    requestBody: {
      required: true,
      content: Object.fromEntries(contentTypes.map(content)),
    },
    responses: responsesOf([...codes, ...REQUEST_CODES]),
  };
}

/** One response a status; `code` is one of those that end in it. */
function responsesOf(codes: readonly AnswerCode[]): Json {
  const statuses = [...new Set(codes.map((code) => STATUS_OF[code]))].sort((a, b) => a - b);
  return Object.fromEntries(
    statuses.map((status) => {
      const those = codes.filter((code) => STATUS_OF[code] === status);
      const only = { type: 'object', properties: { code: { enum: those } } };
      const schema = { allOf: [{ $ref: '#/components/schemas/Answer' }, only] };
      const retry = { 'Retry-After': { description: 'Seconds', schema: { type: 'integer' } } };
      return [
        String(status),
        {
          description: those.join(', '),
          ...(asksForRetry(status) && { headers: retry }),
          content: { 'application/json': { schema } },
        },
      ];
    }),
  );
}

function toSchema(schema: z.ZodType): Json {
  const { $schema: dialect, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  if (dialect !== DIALECT) throw new Error(`zod writes ${String(dialect)}, not ${DIALECT}`);
  return rest;
}

const answersWith = (description: string, content: Json): Json => ({ description, content });
const healthBody = { 'application/json': { schema: { $ref: '#/components/schemas/Health' } } };
const OPERATOR_PATHS = {
  '/healthz': {
    get: {
      operationId: 'health',
      summary: 'Whether it serves and Temporal answers',
      security: [],
      responses: {
        200: answersWith('Temporal answers', healthBody),
        503: answersWith('Temporal does not answer', healthBody),
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'Counters and durations for Prometheus',
      security: [],
      responses: { 200: answersWith('Prometheus text', { 'text/plain': {} }) },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This document',
      security: [],
      responses: {
        200: answersWith('OpenAPI 3.1', { 'application/json': { schema: { type: 'object' } } }),
      },
    },
  },
};
