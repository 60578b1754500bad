import { z } from 'zod';

/** A JSON Schema, as far as the document uses it. */
export type Schema = Record<string, unknown>;

const schema = z.record(z.string(), z.unknown());
const response = z.object({
  description: z.string(),
  headers: z.record(z.string(), z.unknown()).optional(),
  content: z.record(z.string(), z.object({ schema: schema.optional() })),
});
const operation = z.object({
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.never()))),
  parameters: z.array(z.object({ name: z.string(), in: z.literal('header'), schema })).default([]),
  requestBody: z
    .object({
      content: z.record(
        z.string(),
        z.object({
          schema,
          examples: z.record(z.string(), z.object({ summary: z.string(), value: z.unknown() })),
        }),
      ),
    })
    .optional(),
  responses: z.record(z.string().regex(/^[1-5]\d\d$/), response),
});
export type Operation = z.infer<typeof operation>;

/** What these tests rely on in an OpenAPI 3.1 document; throws for another one. */
export const openApiDocument = z.object({
  openapi: z.literal('3.1.0'),
  info: z.object({ title: z.string(), version: z.string() }),
  paths: z.record(
    z.string().startsWith('/'),
    z.object({ get: operation.optional(), post: operation.optional() }),
  ),
  components: z.object({
    schemas: z.record(z.string(), schema),
    securitySchemes: z.record(
      z.string(),
      z.discriminatedUnion('type', [
        z.object({ type: z.literal('apiKey'), in: z.literal('header'), name: z.string() }),
        z.object({ type: z.literal('http'), scheme: z.literal('bearer') }),
      ]),
    ),
  }),
});

export interface PostOperation {
  path: string;
  operation: Operation;
  contentType: string;
  body: Schema;
  examples: { name: string; summary: string; value: unknown }[];
}

/** The operations that take a body, by the last of their media types. */
export function postsOf(document: z.infer<typeof openApiDocument>): PostOperation[] {
  return Object.entries(document.paths).flatMap(([path, { post }]) => {
    const [contentType, content] = Object.entries(post?.requestBody?.content ?? {}).at(-1) ?? [];
    if (post === undefined || contentType === undefined || content === undefined) return [];
    const examples = Object.entries(content.examples).map(([name, example]) => ({
      name,
      summary: example.summary,
      value: example.value,
    }));
    return [{ path, operation: post, contentType, body: content.schema, examples }];
  });
}

const documented = z.object({
  allOf: z.tuple([
    z.object({ $ref: z.literal('#/components/schemas/Answer') }),
    z.object({ properties: z.object({ code: z.object({ enum: z.array(z.string()) }) }) }),
  ]),
});
const answer = z.strictObject({
  code: z.string(),
  detail: z.string().optional(),
  counts: z.record(z.string(), z.int().min(1)).optional(),
});

/** Why an answer is none that the document promises; null where it is one. */
export function undocumented(
  { path, operation: { responses } }: PostOperation,
  status: number,
  body: unknown,
): string | null {
  const promised = responses[String(status)];
  if (promised === undefined) return `${path} does not document ${status}`;
  const codes = documented.parse(promised.content['application/json']?.schema).allOf[1].properties
    .code.enum;
  const parsed = answer.safeParse(body);
  if (!parsed.success) return `${path} ${status} has another body: ${JSON.stringify(body)}`;
  return codes.includes(parsed.data.code)
    ? null
    : `${path} ${status} does not document ${parsed.data.code}`;
}
