import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** Also a file name and a claim: lower case, so that no two people differ by case alone. */
export const approverName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    'must be 1 to 64 lower-case letters, digits, ".", "_" or "-", starting with a letter or digit',
  );

const publicKeySchema = z
  .looseObject({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 32 bytes in base64url'),
    kid: approverName,
  })
  .refine((key) => !('d' in key), 'holds a private key ("d"): remove it and make a new pair')
  .transform(({ kty, crv, x, kid }) => ({ kty, crv, x, kid }));

/** A JWKS file (RFC 7517): Ed25519 public keys, `kid` = the approver's name. */
export const approversFileSchema = z
  .object({ keys: z.array(publicKeySchema) })
  .refine(
    ({ keys }) => new Set(keys.map((key) => key.kid)).size === keys.length,
    'two keys have the same kid: an approver has one key',
  );
export type ApproverKey = z.infer<typeof publicKeySchema>;

/** The public keys in force now; throws an Error saying what is wrong with them. */
export type ApproverKeys = () => Promise<ApproverKey[]>;

/** Reads the file at every use, so that adding or removing an approver needs no restart. No file: nobody can approve. */
export const approverKeysFromFile =
  (path: string): ApproverKeys =>
  async () => {
    const text = await readFile(path, 'utf8').catch((err: unknown) => {
      if (isMissing(err)) return '{"keys":[]}';
      throw err;
    });
    return parseApprovers(text, path);
  };

export function parseApprovers(text: string, path: string): ApproverKey[] {
  const parsed = approversFileSchema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data.keys;
  throw new Error(`the approvers file ${path} is wrong: ${z.prettifyError(parsed.error)}`);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`the approvers file ${path} is not JSON`);
  }
}

const isMissing = (err: unknown): boolean =>
  err instanceof Error && 'code' in err && err.code === 'ENOENT';
