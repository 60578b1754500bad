import { z } from 'zod';

/**
 * A policy document as AWS hands it out. Unknown fields are let through here (other people's policies are only
 * read); what our own may hold is the linter's business.
 * https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
 */
const texts = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === 'string' ? [value] : value));
const scalars = z.union([z.string(), z.boolean(), z.number()]).transform((value) => String(value));
const values = z
  .union([scalars, z.array(scalars)])
  .transform((value) => (typeof value === 'string' ? [value] : value));

const statement = z.looseObject({
  Effect: z.enum(['Allow', 'Deny']),
  Action: texts.optional(),
  NotAction: texts.optional(),
  Resource: texts.optional(),
  NotResource: texts.optional(),
  Condition: z.record(z.string(), z.record(z.string(), values)).optional(),
});
export type Statement = z.infer<typeof statement>;

const policyDocument = z.looseObject({
  Version: z.string().optional(),
  Statement: z.preprocess(
    (value) => (Array.isArray(value) ? (value as unknown[]) : [value]),
    z.array(statement),
  ),
});

/** Not retryable: the text is not a policy document. Names the field. */
export class PolicyDocumentError extends Error {
  override readonly name = 'PolicyDocumentError';
}

export function parseDocument(text: string): Statement[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (err) {
    throw new PolicyDocumentError(`policy document is not JSON: ${String(err)}`);
  }
  const parsed = policyDocument.safeParse(json);
  if (parsed.success) return parsed.data.Statement;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`,
  );
  throw new PolicyDocumentError(`policy document is malformed: ${problems.join('; ')}`);
}
