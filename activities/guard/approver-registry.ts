import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { JWK } from 'jose';
import { z } from 'zod';
import { approverKeysFromFile, approverName } from './approver-keys';

export interface ApproverFiles {
  approversFile: string;
  approverKeysDir: string;
}

const privateKeySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string(),
  kid: z.string(),
});

/** Makes a key pair: the private half for this machine alone (mode 0600), the public half into the approvers file. */
export async function addApprover(
  name: string,
  { approversFile, approverKeysDir }: ApproverFiles,
): Promise<{ privateKeyFile: string }> {
  const kid = parseName(name);
  const known = await approverKeysFromFile(approversFile)();
  if (known.some((key) => key.kid === kid)) throw new Error(`${kid} is an approver already`);

  const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const shared = { kty: 'OKP', crv: 'Ed25519', x, kid };
  await mkdir(approverKeysDir, { recursive: true, mode: 0o700 });
  await mkdir(dirname(approversFile), { recursive: true });
  const privateKeyFile = privateKeyPath(kid, approverKeysDir);
  await writeNew(privateKeyFile, { ...shared, d }, 0o600);
  try {
    const publicKey = { ...shared, alg: 'EdDSA', use: 'sig' };
    await replace(approversFile, { keys: [...known, publicKey] });
  } catch (err) {
    await rm(privateKeyFile, { force: true });
    throw err;
  }
  return { privateKeyFile };
}

/** Refuses a key that others on this machine can read: it may no longer speak for one person. */
export async function readPrivateKey(name: string, dir: string): Promise<JWK> {
  const kid = parseName(name);
  const path = privateKeyPath(kid, dir);
  const found = await stat(path).catch(() => null);
  if (found === null) {
    throw new Error(`${kid} has no private key at ${path}; npm run guard -- approver add ${kid}`);
  }
  if ((found.mode & 0o077) !== 0) {
    throw new Error(`others can read ${path}: remove ${kid} as an approver and add a new key`);
  }
  const parsed = privateKeySchema.safeParse(parseJson(await readFile(path, 'utf8')));
  if (!parsed.success || parsed.data.kid !== kid) {
    throw new Error(`${path} is not the private key of ${kid}`);
  }
  return parsed.data;
}

function parseName(name: string): string {
  const parsed = approverName.safeParse(name);
  if (parsed.success) return parsed.data;
  throw new Error(`the approver's name ${parsed.error.issues[0]?.message ?? 'is wrong'}`);
}

const privateKeyPath = (kid: string, dir: string): string => join(dir, `${kid}.jwk.json`);

/** The fixed name of the draft is also a lock: of two who add at once, one is told to try again. */
async function replace(path: string, value: unknown): Promise<void> {
  const draft = `${path}.new`;
  await writeNew(draft, value, 0o644);
  await rename(draft, path);
}

async function writeNew(path: string, value: unknown, mode: number): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(value, null, 2)}\n`, { flag: 'wx', mode });
  } catch (err) {
    if (!(err instanceof Error && 'code' in err && err.code === 'EEXIST')) throw err;
    throw new Error(`${path} exists already: remove it if nothing uses it, and try again`, {
      cause: err,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
