import { NAMES } from '../../domain/names';
import type { ContainmentRecord, ContainmentSnapshot } from '../../domain/quarantine/types';
import { isoTime, type ContainmentDeps } from './deps';

export interface ContainTimes {
  /** When the Deny was attached everywhere (ISO 8601). AWS may take 6 to 8 minutes to enforce it. */
  deniedAt: string;
  /** When the broker acknowledged that the session is dropped. */
  disconnectedAt: string;
}

/**
 * Denies, turns the client's logging to DEBUG and drops the session, as one step because every round trip between them is time
 * in which the device acts. The record is written first. `assertMayAct` is asked right before the first change.
 *
 * Safe to retry: adding to a group, attaching a policy and setting a level are idempotent on AWS. Dropping a session is not,
 * so a retry (`mayHaveRun`) drops only the session that was live before the Deny.
 */
export async function containDevice(
  deps: ContainmentDeps,
  record: ContainmentRecord,
  options: { assertMayAct(): Promise<void>; mayHaveRun: boolean },
): Promise<ContainTimes> {
  const { snapshot } = record;
  const { thing } = snapshot;
  await Promise.all([options.assertMayAct(), deps.records.put(record)]);
  await Promise.all([
    deps.registry.addToGroup(thing, NAMES.quarantineGroup),
    ...snapshot.certificates.map(({ arn }) =>
      deps.registry.attachPolicy(NAMES.quarantinePolicy, arn),
    ),
    ...snapshot.detach.map(({ certificateArn, policy }) =>
      deps.registry.detachPolicy(policy, certificateArn),
    ),
    deps.logging.setLevel(thing, 'DEBUG'),
  ]);
  const deniedAt = isoTime(deps.now());
  await dropSession(deps, snapshot, options.mayHaveRun);
  return { deniedAt, disconnectedAt: isoTime(deps.now()) };
}

async function dropSession(
  deps: ContainmentDeps,
  { thing, connection }: ContainmentSnapshot,
  mayHaveRun: boolean,
): Promise<void> {
  if (mayHaveRun) {
    const now = await deps.connections.get(thing);
    if (!now.connected || now.connectedSince !== connection.connectedSince) return;
  }
  await deps.connections.drop(thing);
}

/** Certificate `INACTIVE`: AWS drops its sessions within minutes and refuses new ones. Reversible, and idempotent. */
export async function deactivateCertificates(
  deps: ContainmentDeps,
  snapshot: ContainmentSnapshot,
): Promise<void> {
  await Promise.all(
    snapshot.certificates.map(({ arn }) => deps.registry.setCertificateStatus(arn, 'INACTIVE')),
  );
}
