import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/**
 * A small certificate authority for tests: RSA with SHA-256, just enough of X.509 (RFC 5280) for TLS to
 * `localhost` and for signing certificates that are right or wrong in a chosen way.
 */
export interface TestCertificate {
  certificatePem: string;
  privateKeyPem: string;
  privateKey: KeyObject;
}

export interface CertificateRequest {
  name: string;
  /** Absent: signed by its own key. */
  issuer?: { name: string; privateKey: KeyObject };
  notBefore?: Date;
  notAfter?: Date;
  ca?: boolean;
  /** DNS names it serves. */
  hosts?: string[];
  modulusLength?: number;
}

const DAY_MS = 86_400_000;

export function createCertificate(request: CertificateRequest): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: request.modulusLength ?? 2048,
  });
  const issuer = request.issuer ?? { name: request.name, privateKey };
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    SHA256_WITH_RSA,
    commonName(issuer.name),
    sequence(
      time(request.notBefore ?? new Date(Date.now() - DAY_MS)),
      time(request.notAfter ?? new Date(Date.now() + DAY_MS)),
    ),
    commonName(request.name),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions(request))),
  );
  const signature = sign('sha256', body, issuer.privateKey);
  const der = sequence(body, SHA256_WITH_RSA, bitString(signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    certificatePem: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join(
      '\n',
    ),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    privateKey,
  };
}

function element(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const hex = body.length.toString(16);
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

const sequence = (...content: Buffer[]): Buffer => element(0x30, ...content);
const integer = (value: Buffer): Buffer => element(0x02, value);
const boolean = (value: boolean): Buffer => element(0x01, Buffer.from([value ? 0xff : 0]));
const octets = (value: Buffer): Buffer => element(0x04, value);
const bitString = (value: Buffer): Buffer => element(0x03, Buffer.from([0]), value);
const explicit = (tag: number, content: Buffer): Buffer => element(0xa0 | tag, content);
const objectId = (hex: string): Buffer => element(0x06, Buffer.from(hex, 'hex'));
const SHA256_WITH_RSA = sequence(objectId('2a864886f70d01010b'), element(0x05));

const commonName = (name: string): Buffer =>
  sequence(element(0x31, sequence(objectId('550403'), element(0x0c, Buffer.from(name)))));

/** GeneralizedTime, `YYYYMMDDHHMMSSZ`. */
const time = (date: Date): Buffer =>
  element(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\.\d+Z$/g, '')}Z`));

function extensions({ ca = false, hosts = [] }: CertificateRequest): Buffer[] {
  const constraints = sequence(
    objectId('551d13'),
    boolean(true),
    octets(sequence(...(ca ? [boolean(true)] : []))),
  );
  if (hosts.length === 0) return [constraints];
  const names = hosts.map((host) => element(0x82, Buffer.from(host)));
  return [constraints, sequence(objectId('551d11'), octets(sequence(...names)))];
}
