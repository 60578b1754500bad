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
 * as after waiting for the kill switch, drops whatever session is live by then. Things that share a certificate are contained
 * with the device, so their sessions go too. A device that was contained before may have other certificates by now.
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
  const certificates = snapshot.alreadyContained
    ? await deps.registry.certificatesOf(thing)
    : snapshot.certificates.map(({ arn }) => arn);
  await deps.records.put(record);
  await Promise.all([
    deps.registry.addToGroup(thing, NAMES.quarantineGroup),
    ...certificates.map((arn) => deps.registry.attachPolicy(NAMES.quarantinePolicy, arn)),
    ...snapshot.detach.map(({ certificateArn, policy }) =>
      deps.registry.detachPolicy(policy, certificateArn),
    ),
    deps.logging.setLevel(thing, 'DEBUG'),
  ]);
  const deniedAt = isoTime(deps.now());
  await dropSessions(deps, snapshot, deniedBefore);
  return { deniedAt, disconnectedAt: isoTime(deps.now()) };
}

const isDenied = async ({ registry }: ContainmentDeps, thing: string): Promise<boolean> =>
  (await registry.groupsOf(thing)).includes(NAMES.quarantineGroup);

async function dropSessions(
  deps: ContainmentDeps,
  { thing, connection, affectedThings }: ContainmentSnapshot,
  deniedBefore: boolean,
): Promise<void> {
  if (!deniedBefore) {
    await Promise.all(affectedThings.map((name) => deps.connections.drop(name)));
    return;
  }
  const now = await deps.connections.get(thing);
  if (now.connected && now.connectedSince === connection.connectedSince)
    await deps.connections.drop(thing);
}

/**
 * Drops every session that began before the policies had reached all of AWS (epoch milliseconds): it may still be judged by the
 * old ones. Safe to retry: a session that began later is left alone.
 */
export async function dropSessionsBefore(
  deps: ContainmentDeps,
  things: string[],
  before: number,
): Promise<void> {
  await Promise.all(
    things.map(async (thing) => {
      const { connected, connectedSince } = await deps.connections.get(thing);
      if (connected && (connectedSince ?? 0) < before) await deps.connections.drop(thing);
    }),
  );
}

/**
 * Certificate `INACTIVE`: AWS drops its sessions within minutes and refuses new ones. Reversible, and idempotent. The record
 * says so first, for whoever takes the device over.
 */
export async function deactivateCertificates(
  deps: ContainmentDeps,
  snapshot: ContainmentSnapshot,
): Promise<void> {
  const record = await deps.records.get(snapshot.thing);
  if (record !== null)
    await deps.records.put({ ...record, snapshot: { ...record.snapshot, escalated: true } });
  await Promise.all(
    snapshot.certificates.map(({ arn }) => deps.registry.setCertificateStatus(arn, 'INACTIVE')),
  );
}
