import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateCertificateFromCsrCommand } from '@aws-sdk/client-iot';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createAwsClients } from '../../../activities/aws/clients';
import { deviceKey } from '../../../local/stack/device-keys';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

let dir: string;
let emulator: Emulator;

beforeAll(async () => {
  emulator = await startEmulator();
}, 120_000);

afterAll(() => emulator.stop());

beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'device-keys-')), 'keys');
});

afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

describe('a device key', () => {
  it('is made once and kept', async () => {
    const first = await deviceKey('pump-1', dir);
    const again = await deviceKey('pump-1', dir);
    const other = await deviceKey('pump-2', dir);
    expect(again.keyPem).toBe(first.keyPem);
    expect(other.keyPem).not.toBe(first.keyPem);
  });

  it('can be read by its user alone', async () => {
    const { keyFile } = await deviceKey('pump-1', dir);
    expect([statSync(keyFile).mode & 0o777, statSync(dir).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it('is one and the same for many who ask at once, and nothing else is left', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => deviceKey('pump-1', dir)));
    expect(new Set(keys.map(({ keyPem }) => keyPem)).size).toBe(1);
    expect(readdirSync(dir)).toEqual(['pump-1.key.pem']);
  });

  it('gets a certificate that belongs to it', async () => {
    const { csrPem, keyPem } = await deviceKey('pump:north_1-a', dir);
    const { certificatePem } = await createAwsClients(emulator).iot.send(
      new CreateCertificateFromCsrCommand({ certificateSigningRequest: csrPem, setAsActive: true }),
    );
    const certificate = new X509Certificate(certificatePem ?? '');
    expect(certificate.publicKey.equals(createPublicKey(keyPem))).toBe(true);
  });

  it.each(['', '../escape', 'a/b', 'x'.repeat(129), 'näme'])(
    'is refused to the name "%s"',
    async (name) => {
      await expect(deviceKey(name, dir)).rejects.toThrow(/^Not a thing name: /);
    },
  );
});
