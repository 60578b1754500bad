import { NAMES } from '../../domain/names';
import { clientIdRuleHolds, residualAllows } from '../../domain/policy/residual';
import type { NamedDocument, Place } from '../../domain/policy/types';
import type {
  CertificateSnapshot,
  ContainmentRecord,
  ContainmentSnapshot,
} from '../../domain/quarantine/types';
import { UnreadableRecordError } from '../aws/containment-records';
import { isoTime, type ContainmentDeps } from './deps';

/** https://docs.aws.amazon.com/general/latest/gr/iot-core.html: thing groups a thing can belong to. */
const MAX_GROUPS = 10;
/** Policies that can be attached to a certificate. */
const MAX_POLICIES = 10;

export type DeviceState = Pick<ContainmentSnapshot, 'groups' | 'certificates' | 'logLevel'>;

/** The device as the registry has it now. Three rounds of parallel reads, whatever the number of certificates. */
export async function readDevice(
  deps: Pick<ContainmentDeps, 'registry' | 'logging'>,
  thing: string,
): Promise<DeviceState> {
  const [groups, arns, levels] = await Promise.all([
    deps.registry.groupsOf(thing),
    deps.registry.certificatesOf(thing),
    deps.logging.clientLevels(),
  ]);
  const certificates = await Promise.all(arns.map((arn) => readCertificate(deps, arn)));
  return { groups, certificates, logLevel: levels.get(thing) ?? null };
}

async function readCertificate(
  deps: Pick<ContainmentDeps, 'registry'>,
  arn: string,
): Promise<CertificateSnapshot> {
  const [status, policies, things] = await Promise.all([
    deps.registry.certificateStatus(arn),
    deps.registry.policiesOf(arn),
    deps.registry.thingsOf(arn),
  ]);
  return { id: arn.slice(arn.indexOf('/') + 1), arn, status, policies, things };
}

/**
 * Everything that release must restore, and what containing takes. Reads only. A thing that has a containment record (a
 * terminated run, a reset, break-glass) answers with the record's snapshot: the device's present state must never be taken
 * for the state to restore.
 */
export async function takeSnapshot(
  deps: ContainmentDeps,
  thing: string,
): Promise<ContainmentSnapshot> {
  const [record, device, connection, quarantineDocument] = await Promise.all([
    recordOf(deps, thing),
    readDevice(deps, thing),
    deps.connections.get(thing),
    deps.registry.policyDocument(NAMES.quarantinePolicy),
  ]);
  const fresh = {
    thing,
    takenAt: isoTime(deps.now()),
    alreadyContained: false,
    escalated: false,
    ...device,
    connection,
    affectedThings: affectedThings(thing, device),
  };
  if (record === 'unreadable') return withoutRecord(fresh, 'its containment record can’t be read');
  if (record !== null) return { ...record.snapshot, alreadyContained: true };
  const denied = device.certificates.some(({ policies }) =>
    policies.includes(NAMES.quarantinePolicy),
  );
  if (denied || device.groups.includes(NAMES.quarantineGroup))
    return withoutRecord(fresh, 'it has no containment record');

  const policies = await Promise.all(
    device.certificates.map(({ arn }) => deps.registry.effectivePolicies(thing, arn)),
  );
  const { place } = deps;
  return {
    ...fresh,
    ...assess(thing, device, policies, { quarantine: quarantineDocument, place }),
  };
}

const affectedThings = (thing: string, { certificates }: DeviceState): string[] =>
  [...new Set([thing, ...certificates.flatMap(({ things }) => things)])].sort();

async function recordOf(
  { records }: ContainmentDeps,
  thing: string,
): Promise<ContainmentRecord | 'unreadable' | null> {
  try {
    return await records.get(thing);
  } catch (err) {
    if (err instanceof UnreadableRecordError) return 'unreadable';
    throw err;
  }
}

const withoutRecord = (
  fresh: Omit<ContainmentSnapshot, 'detach' | 'findings' | 'obstacles'>,
  why: string,
): ContainmentSnapshot => ({
  ...fresh,
  alreadyContained: true,
  detach: [],
  findings: [],
  obstacles: [
    `${fresh.thing} carries the Deny of quarantine but ${why}, so what to restore is unknown: take it out of group ${NAMES.quarantineGroup} and policy ${NAMES.quarantinePolicy} off its certificates by hand`,
  ],
});

/** Decides by evaluating the documents what the Deny does not cover, per certificate. */
function assess(
  thing: string,
  device: DeviceState,
  effective: NamedDocument[][],
  against: { quarantine: string; place: Place },
): Pick<ContainmentSnapshot, 'detach' | 'findings' | 'obstacles'> {
  const detach: ContainmentSnapshot['detach'] = [];
  const findings: string[] = [];
  const obstacles: string[] = [];
  for (const [index, certificate] of device.certificates.entries()) {
    const documents = effective[index] ?? [];
    const uncovered = residualAllows({ documents, thing, ...against });
    const texts = documents.map(({ document }) => document);
    if (!clientIdRuleHolds(texts, { thing, place: against.place }))
      findings.push(
        `certificate ${certificate.id.slice(0, 12)} may connect under other client ids, where a group's Deny does not reach: the Deny on the certificate holds it`,
      );
    for (const policy of new Set(uncovered.map((residual) => residual.policy))) {
      const example = uncovered.find((residual) => residual.policy === policy);
      const excess = `policy ${policy} allows ${example?.action ?? ''} on ${example?.resource ?? ''}, which quarantine does not deny`;
      if (certificate.policies.includes(policy)) {
        detach.push({ certificateArn: certificate.arn, policy });
        findings.push(`${excess}: it is detached while contained`);
      } else {
        obstacles.push(`${excess}: it comes from a group, so it can't be detached for one device`);
      }
    }
    const detached = detach.filter(({ certificateArn }) => certificateArn === certificate.arn);
    if (certificate.policies.length - detached.length >= MAX_POLICIES)
      obstacles.push(
        `certificate ${certificate.id.slice(0, 12)} has ${certificate.policies.length} policies and AWS allows ${MAX_POLICIES}: detach one`,
      );
    if (certificate.things.length > 1)
      findings.push(
        `certificate ${certificate.id.slice(0, 12)} also serves ${certificate.things.filter((name) => name !== thing).join(', ')}: they are contained with it and count against the caps`,
      );
  }
  if (device.certificates.length === 0) findings.push('no certificate is attached to the thing');
  if (device.groups.length >= MAX_GROUPS)
    obstacles.push(
      `the thing is in ${device.groups.length} groups and AWS allows ${MAX_GROUPS}: take it out of one`,
    );
  return { detach, findings, obstacles };
}
