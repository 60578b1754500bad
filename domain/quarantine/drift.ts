import { NAMES } from '../names';
import type { CertificateSnapshot, ContainmentSnapshot } from './types';

type DeviceState = Pick<ContainmentSnapshot, 'groups' | 'certificates' | 'logLevel'>;

/**
 * What someone else changed since containment, a sentence each: `now` compared with the snapshot plus our own changes.
 * Empty means that restoring the snapshot gives back exactly what was there.
 */
export function driftSince(
  snapshot: ContainmentSnapshot,
  now: DeviceState,
  escalated: boolean,
): string[] {
  return [
    ...difference('group', [...snapshot.groups, NAMES.quarantineGroup], now.groups),
    ...difference('certificate', arns(snapshot.certificates), arns(now.certificates)),
    ...snapshot.certificates.flatMap((before) => {
      const present = now.certificates.find(({ arn }) => arn === before.arn);
      return present === undefined ? [] : certificateDrift(snapshot, before, present, escalated);
    }),
    ...logLevelDrift(snapshot.logLevel, now.logLevel),
  ];
}

const arns = (certificates: CertificateSnapshot[]): string[] => certificates.map(({ arn }) => arn);

function certificateDrift(
  snapshot: ContainmentSnapshot,
  before: CertificateSnapshot,
  now: CertificateSnapshot,
  escalated: boolean,
): string[] {
  const detached = snapshot.detach
    .filter(({ certificateArn }) => certificateArn === before.arn)
    .map(({ policy }) => policy);
  const policies = [
    ...before.policies.filter((policy) => !detached.includes(policy)),
    NAMES.quarantinePolicy,
  ];
  const on = ` of certificate ${before.id.slice(0, 12)}`;
  // An escalation that was given up, or failed half-way, left some as they were.
  const statuses =
    escalated && before.status === 'ACTIVE' ? ['INACTIVE', 'ACTIVE'] : [before.status];
  return [
    ...difference(`policy${on}:`, policies, now.policies),
    ...difference(`thing${on}:`, before.things, now.things),
    ...(statuses.includes(now.status)
      ? []
      : [`status${on} is ${now.status}, not ${statuses.join(' or ')}`]),
  ];
}

/** DEBUG is ours while its time lasts; after it the level is the snapshot's again. */
function logLevelDrift(before: string | null, now: string | null): string[] {
  if (now === 'DEBUG' || now === before) return [];
  return [`the client's log level is ${now ?? 'not set'}, not DEBUG or ${before ?? 'unset'}`];
}

function difference(what: string, expected: string[], actual: string[]): string[] {
  const wanted = new Set(expected);
  const present = new Set(actual);
  return [
    ...[...present].filter((name) => !wanted.has(name)).map((name) => `${what} ${name} was added`),
    ...[...wanted]
      .filter((name) => !present.has(name))
      .map((name) => `${what} ${name} was removed`),
  ];
}
