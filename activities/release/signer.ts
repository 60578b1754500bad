import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Key } from '@tufjs/models';
import { ConfigError } from '../../domain/environment';
import { hasCode } from './errors';

/** One key holder. Files are the only kind so far; a KMS would be another, which is why `sign` may take its time. */
export interface Signer {
  keyId: string;
  /** For messages: where the key is. */
  label: string;
  /** The Ed25519 signature of these bytes. */
  sign(bytes: Buffer): Promise<Buffer>;
}

const MAX_KEY_FILE = 16_384;

/** The public half as TUF metadata has it; the id is python-tuf's: SHA-256 of the key's canonical JSON. */
export function publicKeyOf(key: KeyObject): Key {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  const value = { public: Buffer.from(x ?? '', 'base64url').toString('hex') };
  const json = JSON.stringify({ keytype: 'ed25519', keyval: value, scheme: 'ed25519' });
  const keyID = createHash('sha256').update(json).digest('hex');
  return new Key({ keyID, keyType: 'ed25519', scheme: 'ed25519', keyVal: value });
}

export interface NewKey {
  key: Key;
  /** PKCS #8, encrypted where there is a passphrase. */
  pem: string;
  signer: Signer;
}

export function makeKey(label: string, passphrase: string | null): NewKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    ...(passphrase !== null && { cipher: 'aes-256-cbc', passphrase }),
  });
  return { key: publicKeyOf(privateKey), pem: pem.toString(), signer: signerOf(privateKey, label) };
}

function signerOf(privateKey: KeyObject, label: string): Signer {
  return {
    keyId: publicKeyOf(privateKey).keyID,
    label,
    sign: (bytes) => Promise.resolve(sign(null, bytes, privateKey)),
  };
}

/** Every key in these files, and in the `.pem` files of these folders. */
export async function readSigners(
  paths: readonly string[],
  passphrase: string | null,
): Promise<Signer[]> {
  const signers = new Map<string, Signer>();
  for (const file of (await Promise.all(paths.map(keyFiles))).flat()) {
    const signer = signerOf(await readPrivateKey(file, passphrase), file);
    signers.set(signer.keyId, signer);
  }
  return [...signers.values()];
}

async function keyFiles(path: string): Promise<string[]> {
  const found = await stat(path).catch((err: unknown) => {
    if (hasCode(err, 'ENOENT', 'ENOTDIR')) throw new ConfigError(`There is no key at ${path}`);
    throw err;
  });
  if (!found.isDirectory()) return [path];
  const files = (await readdir(path)).filter((name) => name.endsWith('.pem')).sort();
  if (files.length === 0) throw new ConfigError(`There is no .pem file in ${path}`);
  return files.map((name) => join(path, name));
}

async function readPrivateKey(file: string, passphrase: string | null): Promise<KeyObject> {
  const { size, isFile } = await stat(file).then((found) => ({
    size: found.size,
    isFile: found.isFile(),
  }));
  if (!isFile || size > MAX_KEY_FILE) throw new ConfigError(`${file} is no private key`);
  const pem = await readFile(file, 'utf8');
  const encrypted = pem.includes('ENCRYPTED');
  if (encrypted && passphrase === null) {
    throw new ConfigError(
      `${file} is encrypted: give its passphrase by --passphrase-file or RELEASE_PASSPHRASE`,
    );
  }
  return toEd25519(file, pem, encrypted ? passphrase : null);
}

/** OpenSSL's own words are left out: they say nothing to a person, and come from a file that holds a secret. */
function toEd25519(file: string, pem: string, passphrase: string | null): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem', ...(passphrase !== null && { passphrase }) });
  } catch {
    throw new ConfigError(
      passphrase === null
        ? `${file} is no private key in PEM`
        : `The passphrase does not open ${file}`,
    );
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new ConfigError(`${file} is a key of type ${key.asymmetricKeyType}, not Ed25519`);
  }
  return key;
}
