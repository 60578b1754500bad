import { NAMES } from '../../domain/names';
import type { ContainmentSnapshot } from '../../domain/quarantine/types';
import type { ContainmentDeps } from './deps';
import { cancelQuarantineJobs } from './device-jobs';
import { readDevice } from './snapshot';

/**
 * Puts the device back as the snapshot has it and takes the quarantine's pending jobs from it: detached policies first, so that no moment leaves it without its own, then the
 * certificate status, then the Deny, the group and the log level. Asks no guard: undoing never widens impact.
 * Safe to retry and safe after a step that only half took effect: it reads what is there and changes only what differs.
 */
export async function restoreDevice(
  deps: ContainmentDeps,
  snapshot: ContainmentSnapshot,
): Promise<void> {
  const [now] = await Promise.all([
    readDevice(deps, snapshot.thing),
    cancelQuarantineJobs(deps, snapshot.thing),
  ]);
  const certificates = snapshot.certificates.flatMap((before) => {
    const present = now.certificates.find(({ arn }) => arn === before.arn);
    return present === undefined ? [] : [{ before, present }];
  });
  await Promise.all(
    snapshot.detach
      .filter(({ certificateArn, policy }) =>
        certificates.some(
          ({ present }) => present.arn === certificateArn && !present.policies.includes(policy),
        ),
      )
      .map(({ certificateArn, policy }) => deps.registry.attachPolicy(policy, certificateArn)),
  );
  await Promise.all([
    ...certificates.map(async ({ before, present }) => {
      if (present.policies.includes(NAMES.quarantinePolicy))
        await deps.registry.detachPolicy(NAMES.quarantinePolicy, before.arn);
      if (before.status === 'ACTIVE' && present.status === 'INACTIVE')
        await deps.registry.setCertificateStatus(before.arn, 'ACTIVE');
    }),
    now.groups.includes(NAMES.quarantineGroup) &&
      deps.registry.removeFromGroup(snapshot.thing, NAMES.quarantineGroup),
    restoreLogLevel(deps, snapshot, now.logLevel),
  ]);
  await deps.records.remove(snapshot.thing);
}

/** Ends the client's DEBUG level; a level that someone set meanwhile is theirs and stays. */
export async function revertLogLevel(
  deps: ContainmentDeps,
  snapshot: ContainmentSnapshot,
): Promise<void> {
  const levels = await deps.logging.clientLevels();
  await restoreLogLevel(deps, snapshot, levels.get(snapshot.thing) ?? null);
}

async function restoreLogLevel(
  deps: ContainmentDeps,
  { thing, logLevel }: ContainmentSnapshot,
  now: string | null,
): Promise<void> {
  if (now !== 'DEBUG' || logLevel === 'DEBUG') return;
  await (logLevel === null
    ? deps.logging.clearLevel(thing)
    : deps.logging.setLevel(thing, logLevel));
}
