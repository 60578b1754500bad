import type { GuardStatus, Lease } from '../domain/guard/types';
import { quarantineId } from '../domain/ids';
import { NAMES } from '../domain/names';
import type { ContainmentRecord, QuarantinePhase } from '../domain/quarantine/types';
import { toFailure } from './failure';
import type { QuarantineDeps } from './quarantine/deps';
import { revertLogLevel } from './quarantine/restore';

export interface ReconcileDeps extends QuarantineDeps {
  /** Phase of the device's open run; null where none is open. */
  openPhase(workflowId: string): Promise<QuarantinePhase | null>;
  /** Ids of the quarantine runs that are open. */
  openRuns(): Promise<string[]>;
  /** Cancels a run; one that is over is success. */
  endRun(workflowId: string): Promise<void>;
  /** Starts a run that takes the device over from its record; one that is open already is success. */
  startAdopting(record: ContainmentRecord): Promise<void>;
}

export interface ReconcileReport {
  fleetSize: number;
  contained: number;
  /** Things whose containment had no open run and has one now. */
  adopted: string[];
  /** What a person must look at, a sentence each. */
  problems: string[];
}

export type ReconcileActivities = ReturnType<typeof createReconcileActivities>;

const HELD: (QuarantinePhase | null)[] = ['holding', 'overdue'];
const MAX_PROBLEMS = 100;

/** Terminate, reset and break-glass skip compensation: this finds what they leave and gives it to a run, or to a person. */
export function createReconcileActivities(deps: ReconcileDeps) {
  return {
    /** Safe to retry: it compares what is there and starts runs by the device's own id. */
    async reconcile(): Promise<ReconcileReport> {
      try {
        return await reconcile(deps);
      } catch (err) {
        throw toFailure('reconcile', err);
      }
    },
  };
}

async function reconcile(deps: ReconcileDeps): Promise<ReconcileReport> {
  const fleetSize = await deps.registry.countThings(NAMES.thingType);
  await deps.guard.setFleetSize(fleetSize);
  const [members, recorded, status, levels] = await Promise.all([
    deps.registry.membersOf(NAMES.quarantineGroup),
    deps.records.things(),
    deps.guard.status(),
    deps.logging.clientLevels(),
  ]);
  const report: ReconcileReport = {
    fleetSize,
    contained: members.length,
    adopted: [],
    problems: [],
  };
  for (const thing of [...new Set([...members, ...recorded])].sort()) {
    const found = { member: members.includes(thing), debug: levels.get(thing) === 'DEBUG' };
    try {
      await reconcileThing(deps, thing, found, report);
    } catch (err) {
      report.problems.push(`${thing}: ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  await endRunsOfReleased(deps, members, report);
  await returnStrayLeases(deps, status, recorded, report);
  report.problems.splice(MAX_PROBLEMS);
  return report;
}

async function reconcileThing(
  deps: ReconcileDeps,
  thing: string,
  found: { member: boolean; debug: boolean },
  report: ReconcileReport,
): Promise<void> {
  const [record, phase] = await Promise.all([
    deps.records.get(thing),
    deps.openPhase(quarantineId(thing)),
  ]);
  if (record === null) {
    if (found.member && phase === null)
      report.problems.push(
        `${thing} is in ${NAMES.quarantineGroup} without a record or a run: nobody knows what to restore`,
      );
    return;
  }
  if (found.debug && Date.parse(record.debugUntil) < deps.now())
    await revertLogLevel(deps, record.snapshot);
  if (phase === null && !(await deps.registry.thingExists(thing))) {
    report.problems.push(
      `${thing} no longer exists and its containment record does: remove contained/${thing}.json`,
    );
  } else if (phase === null) {
    await deps.startAdopting(record);
    report.adopted.push(thing);
  } else if (HELD.includes(phase)) {
    report.problems.push(...(await vanished(deps, record, found.member)));
  }
}

/** What of a held device's Deny is gone. */
async function vanished(
  deps: ReconcileDeps,
  { snapshot }: ContainmentRecord,
  member: boolean,
): Promise<string[]> {
  const problems = member
    ? []
    : [`${snapshot.thing} is held but no longer in the quarantine group`];
  for (const { arn, id } of snapshot.certificates)
    if (!(await deps.registry.policiesOf(arn)).includes(NAMES.quarantinePolicy))
      problems.push(
        `${snapshot.thing} is held but its certificate ${id.slice(0, 12)} no longer carries the Deny`,
      );
  return problems;
}

/** A run that holds what break-glass gave back would take every later alarm for its own and do nothing. */
async function endRunsOfReleased(
  deps: ReconcileDeps,
  members: string[],
  report: ReconcileReport,
): Promise<void> {
  for (const workflowId of await deps.openRuns()) {
    const thing = workflowId.slice(quarantineId('').length);
    if (members.includes(thing) || !HELD.includes(await deps.openPhase(workflowId))) continue;
    if ((await deps.records.things()).includes(thing)) continue;
    await deps.endRun(workflowId);
    report.problems.push(
      `${workflowId} held a device that was released without it: the run is ended, so that an alarm can contain it again`,
    );
  }
}

/** A confirmed lease whose device is neither recorded nor held by a run would use up the caps for ever. */
async function returnStrayLeases(
  deps: ReconcileDeps,
  status: GuardStatus,
  recorded: string[],
  report: ReconcileReport,
): Promise<void> {
  for (const [owner, lease] of leasesByOwner(status)) {
    if (lease.things.some((thing) => recorded.includes(thing))) continue;
    if ((await deps.openPhase(owner)) !== null) continue;
    await deps.guard.giveBack(lease);
    report.problems.push(`${owner} held a lease without a run: it is given back`);
  }
}

function leasesByOwner(status: GuardStatus): Map<string, Lease> {
  const leases = new Map<string, Lease>();
  for (const { owner, fence, thing, state } of status.leases) {
    if (state !== 'confirmed') continue;
    const lease = leases.get(owner) ?? { owner, fence, things: [] };
    leases.set(owner, { ...lease, things: [...lease.things, thing] });
  }
  return leases;
}
