import { capsFor } from '../../domain/guard/caps';
import { targetHash } from '../../domain/guard/target-hash';
import { NAMES } from '../../domain/names';
import type { ContainmentSnapshot, DryRunPlan } from '../../domain/quarantine/types';
import type { QuarantineDeps } from './deps';

/**
 * AWS's published rates, calls a second, of which we use half.
 * https://docs.aws.amazon.com/general/latest/gr/iot-core.html (read 2026-11; quotas differ by account)
 */
const CALLS_PER_SECOND: Record<string, number> = {
  AddThingToThingGroup: 100,
  AttachPolicy: 15,
  DetachPolicy: 15,
  SetV2LoggingLevel: 10,
  DeleteConnection: 10,
  CreateJob: 10,
  CancelJobExecution: 10,
};

/** What containing the device would change, cost and need. Reads only. */
export async function planContainment(
  deps: QuarantineDeps,
  snapshot: ContainmentSnapshot,
): Promise<DryRunPlan> {
  const [status, pending] = await Promise.all([
    deps.guard.status(),
    deps.jobs.pending(snapshot.thing),
  ]);
  const caps = capsFor(status.fleetSize);
  const after = status.containedNow + snapshot.affectedThings.length;
  const wouldBeGranted = status.switch.state === 'run' && after <= caps.automatic;
  const awsCalls = callsFor(snapshot, pending.length);
  return {
    targets: snapshot.affectedThings,
    targetHash: targetHash({ runbook: 'quarantine', things: snapshot.affectedThings }),
    changes: changesFor(snapshot, pending),
    awsCalls,
    estimatedMs: Object.entries(awsCalls).reduce(
      (total, [call, count]) => total + (count * 1000) / ((CALLS_PER_SECOND[call] ?? 10) / 2),
      0,
    ),
    wouldBeGranted,
    guard: `switch: ${status.switch.state}; contained now ${status.containedNow} of ${status.fleetSize}, ${after} with this; without a person up to ${caps.automatic}, with two approvers up to ${caps.approved}`,
    findings: snapshot.findings,
    obstacles: snapshot.obstacles,
  };
}

function callsFor(snapshot: ContainmentSnapshot, otherJobs: number): Record<string, number> {
  const calls = {
    AddThingToThingGroup: 1,
    AttachPolicy: snapshot.certificates.length,
    DetachPolicy: snapshot.detach.length,
    SetV2LoggingLevel: 1,
    DeleteConnection: 1,
    CancelJobExecution: otherJobs,
    CreateJob: 2,
  };
  return Object.fromEntries(Object.entries(calls).filter(([, count]) => count > 0));
}

const changesFor = (snapshot: ContainmentSnapshot, pending: string[]): string[] => [
  `add ${snapshot.thing} to group ${NAMES.quarantineGroup}`,
  ...snapshot.certificates.map(
    ({ id }) => `attach policy ${NAMES.quarantinePolicy} to certificate ${id.slice(0, 12)}`,
  ),
  ...snapshot.detach.map(
    ({ certificateArn, policy }) =>
      `detach policy ${policy} from certificate ${certificateArn.replace(/.*cert\//, '').slice(0, 12)}`,
  ),
  `set log level of client ${snapshot.thing} to DEBUG`,
  `drop the session of client ${snapshot.thing}`,
  ...pending.map((jobId) => `cancel job execution ${jobId}`),
  'send the jobs `probe` and `contain`',
];
