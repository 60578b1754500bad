import { createHash } from 'node:crypto';
import { QUARANTINE_JOB_PREFIX, quarantineId } from '../../domain/ids';
import { NAMES } from '../../domain/names';
import type { ContainmentRecord, ContainmentSnapshot } from '../../domain/quarantine/types';
import type { ContainmentDeps } from './deps';
import { cancelQuarantineJobs, sendJob } from './device-jobs';
import { readDevice } from './snapshot';

/**
 * Puts the device back as the snapshot has it: detached policies first, so that no moment leaves it without its own, then the
 * certificate status, then the Deny, the group and the log level. The quarantine's pending jobs are taken from it, and a
 * `resume` job starts its application again. The record goes last. Asks no guard: undoing never widens impact.
 * Safe to retry and safe after a step that only half took effect: it reads what is there and changes only what differs, and the
 * id of the `resume` job is a function of the record.
 */
export async function restoreDevice(
  deps: ContainmentDeps,
  snapshot: ContainmentSnapshot,
): Promise<void> {
  const { thing } = snapshot;
  const [record, now] = await Promise.all([deps.records.get(thing), readDevice(deps, thing)]);
  const resume = record === null ? null : resumeJobId(record);
  await cancelQuarantineJobs(deps, thing, resume);
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
      deps.registry.removeFromGroup(thing, NAMES.quarantineGroup),
    restoreLogLevel(deps, snapshot, now.logLevel),
  ]);
  if (resume === null) return;
  await sendJob(deps, {
    thing,
    jobId: resume,
    document: { version: 1, requestedBy: quarantineId(thing), operation: 'resume' },
  });
  await deps.records.remove(thing);
}

/** One containment has one `resume`, whoever ends it and however often that is tried. */
function resumeJobId({ workflowId, at }: ContainmentRecord): string {
  const digest = createHash('sha256').update(`${workflowId} ${at}`).digest('hex').slice(0, 32);
  return `${QUARANTINE_JOB_PREFIX}resume-${digest}`;
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
