import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

export type Signed = Record<string, unknown>;

export interface Signer {
  id: string;
  publicHex: string;
  privateKey: KeyObject;
}

export interface RoleKeys {
  signers: Signer[];
  threshold: number;
}
export const publicKeys = (signers: Signer[]): Signed =>
  Object.fromEntries(
    signers.map(({ id, publicHex }) => [
      id,
      { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: publicHex } },
    ]),
  );

export function newKeys(count: number, threshold: number): RoleKeys {
  const signers = Array.from({ length: count }, () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const publicHex = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
    return { id: sha256(publicHex), publicHex: publicHex.toString('hex'), privateKey };
  });
  return { signers, threshold };
}

/** A metadata file: what is signed, and a signature by each of these. */
export function signMetadata(signed: Signed, signers: readonly Signer[]): Buffer {
  const content = Buffer.from(canonicalJson(signed));
  const signatures = signers.map(({ id, privateKey }) => ({
    keyid: id,
    sig: sign(null, content, privateKey).toString('hex'),
  }));
  return Buffer.from(JSON.stringify({ signatures, signed }));
}

/** What TUF signs: https://theupdateframework.github.io/specification/latest/#metaformat */
function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return `"${value.replace(/[\\"]/g, '\\$&')}"`;
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${canonicalJson(key)}:${canonicalJson(field)}`).join(',')}}`;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
