import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  type KeyObject,
} from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from './errors';
import { cacheDir } from './host';

export interface DeviceKey {
  /** PEM, PKCS #8, EC P-256. */
  keyPem: string;
  /** Where the key is kept, readable by its user only. */
  keyFile: string;
  /** PEM of a PKCS #10 request with the thing's name as common name, for CreateCertificateFromCsr. */
  csrPem: string;
}

/**
 * The key of a device, made once and kept in the user's cache. Only the certificate is new at each start of the
 * emulator, which forgets what it issued; from a request it signs 36 a second, with a key of its own making 16.
 */
export async function deviceKey(
  thing: string,
  dir: string = join(cacheDir(), 'device-keys'),
): Promise<DeviceKey> {
  if (!/^[a-zA-Z0-9:_-]{1,128}$/.test(thing)) {
    throw new Error(`Not a thing name: "${thing}" (1 to 128 letters, digits, ":", "_" or "-")`);
  }
  const keyFile = join(dir, `${thing}.key.pem`);
  const keyPem = (await readIfThere(keyFile)) ?? (await makeKey(keyFile, dir));
  return { keyPem, keyFile, csrPem: certificateRequest(thing, createPrivateKey(keyPem)) };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (err) {
    if (hasCode(err, 'ENOENT')) return undefined;
    throw err;
  }
}

/** Whole or not at all, and the first of two makers wins: a hard link refuses a name that is taken. */
async function makeKey(keyFile: string, dir: string): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const scratch = join(dir, `.${randomUUID()}`);
  await writeFile(scratch, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  try {
    await link(scratch, keyFile);
  } catch (err) {
    if (!hasCode(err, 'EEXIST')) throw err;
  } finally {
    await rm(scratch, { force: true });
  }
  return readFile(keyFile, 'utf8');
}

const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');

/** PKCS #10 (RFC 2986) by hand: Node signs, but builds no requests. */
function certificateRequest(commonName: string, key: KeyObject): string {
  const name = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from(commonName)))));
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = der(0x30, Buffer.from('020100', 'hex'), name, publicKey, Buffer.from('a000', 'hex'));
  const signature = der(0x03, Buffer.from([0]), sign('sha256', info, key));
  const base64 = der(0x30, info, ECDSA_WITH_SHA256, signature).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return [
    '-----BEGIN CERTIFICATE REQUEST-----',
    ...lines,
    '-----END CERTIFICATE REQUEST-----',
    '',
  ].join('\n');
}

/** One DER value: tag, length, contents. */
function der(tag: number, ...contents: Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(body.length)]), body]);
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}
