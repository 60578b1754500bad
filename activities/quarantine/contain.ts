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
 * in which the device acts. `assertMayAct` is asked right before the first change, and then the record is written first.
 *
 * Safe to retry: adding to a group, attaching a policy and setting a level are idempotent on AWS. Dropping a session is not,
 * so a retry (`mayHaveRun`) that finds the Deny in place drops only the session that was live before it. One that finds none,
 * as after waiting for the kill switch, drops whatever session is live by then.
 */
export async function containDevice(
  deps: ContainmentDeps,
  record: ContainmentRecord,
  options: { assertMayAct(): Promise<void>; mayHaveRun: boolean },
): Promise<ContainTimes> {
  const { snapshot } = record;
  const { thing } = snapshot;
  // Not beside each other: a record of a device that was never contained is one that the reconciler would act on.
  await options.assertMayAct();
  const deniedBefore = options.mayHaveRun && (await isDenied(deps, thing));
  await deps.records.put(record);
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
  await dropSession(deps, snapshot, deniedBefore);
  return { deniedAt, disconnectedAt: isoTime(deps.now()) };
}

const isDenied = async ({ registry }: ContainmentDeps, thing: string): Promise<boolean> =>
  (await registry.groupsOf(thing)).includes(NAMES.quarantineGroup);

async function dropSession(
  deps: ContainmentDeps,
  { thing, connection }: ContainmentSnapshot,
  deniedBefore: boolean,
): Promise<void> {
  if (deniedBefore) {
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
