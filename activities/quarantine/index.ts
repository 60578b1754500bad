import { Context } from '@temporalio/activity';
import { targetHash } from '../../domain/guard/target-hash';
import type { Lease, ReserveResult } from '../../domain/guard/types';
import { driftSince } from '../../domain/quarantine/drift';
import { readThing, resolveQuarantine } from '../../domain/quarantine/input.schema';
import type {
  ContainmentRecord,
  ContainmentSnapshot,
  DryRunPlan,
  QuarantinePlan,
} from '../../domain/quarantine/types';
import { isTerminal, type JobExecution } from '../aws/iot-jobs';
import { attempt, invalidInput } from '../failure';
import { mayAct } from '../guard/may-act';
import { watch } from '../watch';
import {
  containDevice,
  deactivateCertificates,
  dropSessionsBefore,
  type ContainTimes,
} from './contain';
import { isoTime, type QuarantineDeps } from './deps';
import { cancelOtherJobs, sendJob, type SendJobInput } from './device-jobs';
import { planContainment } from './plan';
import {
  deniedByDocuments,
  lookForAcceptance,
  lookForRefusal,
  sessionIsGone,
  type RefusalSeen,
} from './prove';
import { restoreDevice, revertLogLevel } from './restore';
import { readDevice, takeSnapshot } from './snapshot';

export type QuarantineActivities = ReturnType<typeof resolving> &
  ReturnType<typeof reading> &
  ReturnType<typeof containing> &
  ReturnType<typeof shipping> &
  ReturnType<typeof watching>;

export interface ReserveTargets {
  workflowId: string;
  things: string[];
  requestedBy: string;
}
/** `targetHash` is what approvers sign. */
export type Reservation = ReserveResult & { targetHash: string };
export interface Contained {
  deniedByDocumentsAt: string;
}

/** How often the watches look: quickly at first, then gently, since AWS allows 10 job reads a second for the account. */
const PROVING = { firstMs: 200, maxMs: 30_000 };

/** The quarantine runbook's activities by the queue of their power. */
export const createQuarantineActivities = (deps: QuarantineDeps) => ({
  runbooks: resolving(deps),
  read: reading(deps),
  contain: containing(deps),
  ship: shipping(deps),
  watch: watching(deps),
});

function resolving(deps: QuarantineDeps) {
  return {
    /** Checks and pins the input. A local activity: it only reads, and history keeps the answer. */
    resolve: (request: { input: unknown; workflowId: string }) =>
      attempt('resolve', async (): Promise<QuarantinePlan> => {
        const resolution = resolveQuarantine(
          request.input,
          request.workflowId,
          await deps.loadRunbook(),
        );
        const issues = resolution.ok ? [] : resolution.issues;
        const thing = readThing(request.input);
        if (thing !== null && !(await deps.registry.thingExists(thing)))
          issues.push({ field: 'thing', problem: `no thing is named ${thing} in this account` });
        if (!resolution.ok || issues.length > 0) throw invalidInput(issues);
        return resolution.plan;
      }),
  };
}

function reading(deps: QuarantineDeps) {
  return {
    snapshot: (thing: string) => attempt('snapshot', () => takeSnapshot(deps, thing)),

    planContainment: (snapshot: ContainmentSnapshot): Promise<DryRunPlan> =>
      attempt('plan', () => planContainment(deps, snapshot)),

    /** What someone else changed since the snapshot, a sentence each. */
    driftSince: (request: { snapshot: ContainmentSnapshot; escalated: boolean }) =>
      attempt('compare with the snapshot', async () =>
        driftSince(
          request.snapshot,
          await readDevice(deps, request.snapshot.thing),
          request.escalated,
        ),
      ),
  };
}

function guarding(deps: QuarantineDeps) {
  return {
    /** Safe to retry: a reservation is the workflow's, so the guard answers with the same lease. */
    reserve: ({ workflowId, things, requestedBy }: ReserveTargets): Promise<Reservation> =>
      attempt('ask the guard', async () => {
        const hash = targetHash({ runbook: 'quarantine', things });
        const request = { things, owner: workflowId, workflowId, targetHash: hash, requestedBy };
        return { ...(await deps.guard.reserve(request)), targetHash: hash };
      }),
    /** For what is contained already: nothing is widened, so caps are not asked. */
    adopt: ({ workflowId, things }: ReserveTargets): Promise<Lease> =>
      attempt('adopt in the guard', () =>
        deps.guard.adopt({ things, owner: workflowId, workflowId }),
      ),
    giveBack: (lease: Lease): Promise<void> =>
      attempt('give the lease back', () => deps.guard.giveBack(lease)),
    /** Returns the approvers so far. The hash is computed here, so a token for other targets fails. */
    approve: (request: ReserveTargets & { token: string }): Promise<string[]> =>
      attempt('approve', () =>
        deps.guard.approve({
          token: request.token,
          workflowId: request.workflowId,
          targetHash: targetHash({ runbook: 'quarantine', things: request.things }),
          requestedBy: request.requestedBy,
        }),
      ),
  };
}

function containing(deps: QuarantineDeps) {
  return {
    ...guarding(deps),
    /** Deny, DEBUG, disconnect: one step because every round trip between them is the device's. */
    contain: ({
      record,
      lease,
    }: {
      record: ContainmentRecord;
      lease: Lease;
    }): Promise<ContainTimes> =>
      attempt('contain', async () => {
        const times = await containDevice(deps, record, {
          assertMayAct: () => deps.guard.assertMayAct(lease),
          mayHaveRun: record.snapshot.alreadyContained || Context.current().info.attempt > 1,
        });
        await deps.guard.confirm(lease);
        return times;
      }),
    escalate: (request: { snapshot: ContainmentSnapshot; lease: Lease }): Promise<void> =>
      attempt('escalate', async () => {
        await deps.guard.assertMayAct(request.lease);
        await deactivateCertificates(deps, request.snapshot);
      }),
    /** Never asks the guard: undoing must work when the switch is at stop. Idempotent. */
    restore: (snapshot: ContainmentSnapshot): Promise<void> =>
      attempt('restore', () => restoreDevice(deps, snapshot)),
    revertLogLevel: (snapshot: ContainmentSnapshot): Promise<void> =>
      attempt('revert the log level', () => revertLogLevel(deps, snapshot)),
  };
}

function shipping(deps: QuarantineDeps) {
  return {
    /** `lease` is null where the job gives something back: undoing never asks the guard. */
    sendJob: ({ lease, ...job }: SendJobInput & { lease: Lease | null }): Promise<void> =>
      attempt(`send job ${job.jobId}`, async () => {
        if (lease !== null) await deps.guard.assertMayAct(lease);
        await sendJob(deps, job);
      }),
    cancelOtherJobs: (request: { thing: string; lease: Lease }): Promise<string[]> =>
      attempt('cancel other jobs', async () => {
        await deps.guard.assertMayAct(request.lease);
        return cancelOtherJobs(deps, request.thing);
      }),
  };
}

function watching(deps: QuarantineDeps) {
  return {
    /** The first two rungs: the documents deny, the session is gone. */
    verifyContained: ({
      snapshot,
      lease,
    }: {
      snapshot: ContainmentSnapshot;
      lease: Lease;
    }): Promise<Contained> =>
      attempt('verify containment', () =>
        watch(PROVING, async () => {
          const [denied, gone] = await Promise.all([
            deniedByDocuments(deps, snapshot.thing),
            sessionIsGone(deps, snapshot, () => mayAct(deps, lease)),
          ]);
          return denied && gone ? { deniedByDocumentsAt: isoTime(deps.now()) } : undefined;
        }),
      ),
    /** What began while AWS may still have acted on the old policies is dropped once more. */
    dropSessionsBefore: (request: {
      things: string[];
      before: number;
      lease: Lease;
    }): Promise<void> =>
      attempt('drop sessions', async () => {
        await deps.guard.assertMayAct(request.lease);
        await dropSessionsBefore(deps, request.things, request.before);
      }),
    /** The third rung; for an offline device it comes with its next connect. */
    seeRefusal: (request: {
      thing: string;
      deniedAt: string;
      runId: string;
      lease: Lease;
    }): Promise<RefusalSeen> =>
      attempt('see a refusal', () => {
        const series = { kind: 'probe' as const, runId: request.runId, number: 1 };
        const acting = { series, mayAct: () => mayAct(deps, request.lease) };
        return watch(PROVING, () => lookForRefusal(deps, request.thing, request.deniedAt, acting));
      }),
    seeAcceptance: (request: { thing: string; runId: string }): Promise<string> =>
      attempt('see a publish accepted', () => {
        const series = { kind: 'reprobe' as const, runId: request.runId, number: 1 };
        return watch(PROVING, () => lookForAcceptance(deps, request.thing, series));
      }),
    /** Waits for the device's answer to a job, however long it is offline. */
    awaitJob: (job: { thing: string; jobId: string }): Promise<JobExecution> =>
      attempt(`await job ${job.jobId}`, () =>
        watch(PROVING, async () => {
          const execution = await deps.jobs.execution(job.jobId, job.thing);
          return execution !== null && isTerminal(execution.status) ? execution : undefined;
        }),
      ),
  };
}
