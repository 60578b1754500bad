import { Context } from '@temporalio/activity';
import type { CollectLogsPlan } from '../../domain/evidence/collect-logs';
import { resolveCollectLogs } from '../../domain/evidence/input.schema';
import type { ChainHead, EvidenceItem } from '../../domain/evidence/types';
import { isTerminal, type JobExecution } from '../aws/iot-jobs';
import { attemptCancellable, invalidInput } from '../failure';
import { watch } from '../watch';
import { captureCloud, type CaptureRequest } from './capture';
import { appendEntries, currentHead, type AppendRequest } from './custody';
import type { EvidenceDeps } from './deps';
import { intakeKey, sendDiagnostics, type DiagnosticsJob } from './device-job';
import { receiveBundle, type ReceiveRequest } from './receive';

export type EvidenceActivities = ReturnType<typeof resolving> &
  ReturnType<typeof keeping> &
  ReturnType<typeof shipping> &
  ReturnType<typeof watching>;

/** Then what could not be read is told as missing, and the rest is kept. */
const CAPTURE_ATTEMPTS = 4;
/** S3 answers thousands of such questions a second; AWS allows 10 job reads a second for the account. */
const LOOKING = { firstMs: 200, maxMs: 5_000 };
const LOOKS_PER_JOB_READ = 6;

/** The activities of `collectLogs`, by the queue of their power. */
export const createEvidenceActivities = (deps: EvidenceDeps) => ({
  runbooks: resolving(deps),
  evidence: keeping(deps),
  ship: shipping(deps),
  watch: watching(deps),
});

function resolving(deps: EvidenceDeps) {
  return {
    /** Checks and pins the input. A local activity: it only reads, and history keeps the answer. */
    resolveCollection: (request: {
      input: unknown;
      workflowId: string;
    }): Promise<CollectLogsPlan> =>
      attemptCancellable('resolve', async () => {
        const runbook = await deps.loadRunbook();
        const resolution = resolveCollectLogs(request.input, request.workflowId, runbook);
        const issues = resolution.ok ? [] : resolution.issues;
        if (resolution.ok && !(await deps.registry.thingExists(resolution.plan.thing)))
          issues.push({ field: 'thing', problem: 'no thing of that name is in this account' });
        if (resolution.ok && issues.length === 0) return resolution.plan;
        throw invalidInput(issues);
      }),
  };
}

function keeping(deps: EvidenceDeps) {
  return {
    openChain: (incident: string): Promise<ChainHead> =>
      attemptCancellable('read the head of the chain', () => currentHead(deps, incident)),

    captureCloud: (request: Omit<CaptureRequest, 'lastAttempt'>): Promise<EvidenceItem[]> =>
      attemptCancellable('capture what the cloud knows', () =>
        captureCloud(deps, {
          ...request,
          lastAttempt: Context.current().info.attempt >= CAPTURE_ATTEMPTS,
        }),
      ),

    receiveBundle: (request: Omit<ReceiveRequest, 'intakeKey'> & { jobId: string }) =>
      attemptCancellable('receive the bundle', (): Promise<EvidenceItem> => {
        const { jobId, ...received } = request;
        return receiveBundle(deps, { ...received, intakeKey: intakeKey(request.thing, jobId) });
      }),

    appendEntries: (request: AppendRequest): Promise<ChainHead> =>
      attemptCancellable('append to the manifest', () => appendEntries(deps, request)),
  };
}

function shipping(deps: EvidenceDeps) {
  return {
    /** Asks no guard: it changes nothing on the device, and nothing that the device may do. */
    sendDiagnostics: (job: DiagnosticsJob): Promise<void> =>
      attemptCancellable(`send job ${job.jobId}`, () => sendDiagnostics(deps, job)),
    /** Closes the upload path of a device that is offline: Jobs mints no URL for a cancelled execution. */
    cancelDiagnostics: (job: { thing: string; jobId: string }): Promise<void> =>
      attemptCancellable(`cancel job ${job.jobId}`, () =>
        deps.jobs.cancelExecution(job.jobId, job.thing),
      ),
  };
}

function watching(deps: EvidenceDeps) {
  return {
    /** Waits for the end of the device's job, however long it is offline: looks for its upload, and at times at the job. */
    awaitDiagnostics: (job: { thing: string; jobId: string }): Promise<JobExecution> =>
      attemptCancellable(`await job ${job.jobId}`, () => {
        let looks = 0;
        return watch(LOOKING, async () => {
          const uploaded = await deps.intake.stat(intakeKey(job.thing, job.jobId));
          if (uploaded === null && looks++ % LOOKS_PER_JOB_READ !== 0) return undefined;
          const execution = await deps.jobs.execution(job.jobId, job.thing);
          return execution !== null && isTerminal(execution.status) ? execution : undefined;
        });
      }),
  };
}
