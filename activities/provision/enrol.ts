import { X509Certificate } from 'node:crypto';
import { deviceAlarmName, hardwareGroup, NAMES, siteGroup } from '../../domain/names';

/** What enrolment needs of AWS; `activities/aws/provision-device.ts` has it. Every write is idempotent on AWS. */
export interface EnrolmentApi {
  describeThing(
    thing: string,
  ): Promise<{ type: string | null; attributes: Record<string, string> } | null>;
  createThing(thing: string, type: string, attributes: Record<string, string>): Promise<void>;
  updateAttributes(thing: string, attributes: Record<string, string>): Promise<void>;
  groupsOf(thing: string): Promise<string[]>;
  addToGroup(thing: string, group: string): Promise<void>;
  certificatesOf(thing: string): Promise<string[]>;
  certificatePem(arn: string): Promise<string>;
  issueFromRequest(csrPem: string): Promise<Certificate>;
  register(certificatePem: string): Promise<Certificate>;
  attachCertificate(thing: string, certificateArn: string): Promise<void>;
  policiesOf(certificateArn: string): Promise<string[]>;
  attachPolicy(policy: string, certificateArn: string): Promise<void>;
  putAlarm(alarm: DeviceAlarm): Promise<void>;
  alarmExists(name: string): Promise<boolean>;
}

export interface Certificate {
  arn: string;
  pem: string;
}

export interface DeviceAlarm {
  name: string;
  metric: 'RefusedPublishes';
  thing: string;
  periodSeconds: number;
  threshold: number;
}

export type Credential =
  { csrPem: string } | { certificatePem: string } | { certificateArn: string };

export interface EnrolInput {
  thing: string;
  site: string;
  hardware: string;
  firmware?: string;
  credential: Credential;
  /** Alarm on refused publishes: at least `threshold` in `periodSeconds` (10, 20, 30 or a multiple of 60). */
  alarm?: { periodSeconds: number; threshold: number };
}

export interface EnrolResult {
  thing: string;
  certificateArn: string;
  certificatePem: string;
  /** What was written; empty where the device was enrolled already. */
  changes: string[];
}

/** The device can't be enrolled as asked. Not retryable. */
export class EnrolmentError extends Error {
  override readonly name = 'EnrolmentError';
}

/**
 * Brings one device into the fleet. Safe to run again, also after being killed: it reads first and writes what is missing.
 * A request for a certificate is answered with the thing's own certificate when it has one of the same key already.
 */
export async function enrolDevice(api: EnrolmentApi, input: EnrolInput): Promise<EnrolResult> {
  const changes: string[] = [];
  await ensureThing(api, input, changes);
  const certificate = await ensureCertificate(api, input, changes);
  const policies = await api.policiesOf(certificate.arn);
  if (!policies.includes(NAMES.devicePolicy)) {
    await api.attachPolicy(NAMES.devicePolicy, certificate.arn);
    changes.push(`policy ${NAMES.devicePolicy}`);
  }
  await ensureAlarm(api, input, changes);
  const { arn: certificateArn, pem: certificatePem } = certificate;
  return { thing: input.thing, certificateArn, certificatePem, changes };
}

async function ensureThing(api: EnrolmentApi, input: EnrolInput, changes: string[]): Promise<void> {
  const { thing, site, hardware, firmware } = input;
  const wanted = { site, hardware, ...(firmware !== undefined && { firmware }) };
  const there = await api.describeThing(thing);
  if (there === null) {
    await api.createThing(thing, NAMES.thingType, wanted);
    changes.push(`thing ${thing}`);
  } else if (there.type !== NAMES.thingType) {
    throw new EnrolmentError(
      `thing ${thing} has the type ${there.type ?? 'none'}, not ${NAMES.thingType}: give it that type (aws iot update-thing) first`,
    );
  } else if (Object.entries(wanted).some(([key, value]) => there.attributes[key] !== value)) {
    await api.updateAttributes(thing, { ...there.attributes, ...wanted });
    changes.push(`attributes of ${thing}`);
  }
  await ensureGroups(api, input, changes);
}

async function ensureGroups(
  api: EnrolmentApi,
  input: EnrolInput,
  changes: string[],
): Promise<void> {
  const there = await api.groupsOf(input.thing);
  for (const group of [siteGroup(input.site), hardwareGroup(input.hardware)]) {
    if (there.includes(group)) continue;
    const [kind] = group.split('-');
    // AWS allows one group per hierarchy, and moving a device is never a side effect.
    const other = there.find((each) => each.startsWith(`${kind ?? ''}-`));
    if (other !== undefined) {
      throw new EnrolmentError(
        `thing ${input.thing} is in ${other}, asked for ${group}: remove it from ${other} first if it has moved`,
      );
    }
    await api.addToGroup(input.thing, group);
    changes.push(`group ${group}`);
  }
}

async function ensureCertificate(
  api: EnrolmentApi,
  { thing, credential }: EnrolInput,
  changes: string[],
): Promise<Certificate> {
  const attached = await api.certificatesOf(thing);
  const certificate = await obtain(api, credential, attached, changes);
  if (!attached.includes(certificate.arn)) {
    await api.attachCertificate(thing, certificate.arn);
    changes.push(`certificate attached to ${thing}`);
  }
  return certificate;
}

async function obtain(
  api: EnrolmentApi,
  credential: Credential,
  attached: readonly string[],
  changes: string[],
): Promise<Certificate> {
  if ('certificateArn' in credential) {
    const arn = credential.certificateArn;
    return { arn, pem: await api.certificatePem(arn) };
  }
  if ('certificatePem' in credential) return api.register(credential.certificatePem);
  for (const arn of attached) {
    const pem = await api.certificatePem(arn);
    if (sameKey(credential.csrPem, pem)) return { arn, pem };
  }
  changes.push('certificate issued');
  return api.issueFromRequest(credential.csrPem);
}

/** Both hold the public key (SubjectPublicKeyInfo) byte for byte; the request is not parsed further. */
function sameKey(csrPem: string, certificatePem: string): boolean {
  const spki = new X509Certificate(certificatePem).publicKey.export({
    type: 'spki',
    format: 'der',
  });
  return pemBytes(csrPem).includes(spki);
}

const pemBytes = (pem: string): Buffer =>
  Buffer.from(pem.replace(/-----[^-]+-----/g, '').replace(/\s/g, ''), 'base64');

async function ensureAlarm(
  api: EnrolmentApi,
  { thing, alarm }: EnrolInput,
  changes: string[],
): Promise<void> {
  if (alarm === undefined) return;
  const name = deviceAlarmName('RefusedPublishes', thing);
  if (await api.alarmExists(name)) return;
  await api.putAlarm({ name, metric: 'RefusedPublishes', thing, ...alarm });
  changes.push(`alarm ${name}`);
}
