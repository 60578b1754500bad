import {
  CancelJobCommand,
  DescribeJobCommand,
  paginateListJobExecutionsForJob,
  type IoTClient,
  type JobExecutionStatus,
  type JobExecutionSummaryForJob,
  type JobProcessDetails,
} from '@aws-sdk/client-iot';
import { isAwsError } from '../failure';
import type { JobCounts, ListedExecution, RolloutJobs } from '../rollout/deps';
import { createIotJobs, createJob } from './iot-jobs';

/** https://docs.aws.amazon.com/iot/latest/apireference/API_ListJobExecutionsForJob.html */
const PAGE = 250;
/** https://docs.aws.amazon.com/iot/latest/apireference/API_CancelJob.html : no control characters. */
const LONGEST_COMMENT = 2_028;

export function createRolloutJobs(iot: IoTClient): RolloutJobs {
  const ofOneThing = createIotJobs(iot);
  return {
    create: (job) => createJob(iot, job),
    async counts(jobId) {
      const job = await describe(iot, jobId);
      return countsOf(job?.status ?? null, job?.jobProcessDetails);
    },
    async *executions(jobId, status) {
      const query = {
        jobId,
        maxResults: PAGE,
        ...(status !== undefined && { status: status as JobExecutionStatus }),
      };
      try {
        for await (const page of paginateListJobExecutionsForJob({ client: iot }, query)) {
          const executions = (page.executionSummaries ?? []).flatMap(toListed);
          if (executions.length > 0) yield executions;
        }
      } catch (err) {
        // A job that was recorded and then never created has no executions.
        if (!isAwsError(err, 'ResourceNotFoundException')) throw err;
      }
    },
    async statusDetails(jobId, thing) {
      return (await ofOneThing.execution(jobId, thing))?.statusDetails ?? {};
    },
    cancel: (jobId, comment) => cancel(iot, jobId, comment),
    cancelExecution: (jobId, thing) => ofOneThing.cancelExecution(jobId, thing),
  };
}

async function describe(iot: IoTClient, jobId: string) {
  try {
    return (await iot.send(new DescribeJobCommand({ jobId }))).job ?? null;
  } catch (err) {
    if (isAwsError(err, 'ResourceNotFoundException')) return null;
    throw err;
  }
}

const countsOf = (job: string | null, details: JobProcessDetails = {}): JobCounts => ({
  job,
  queued: details.numberOfQueuedThings ?? 0,
  inProgress: details.numberOfInProgressThings ?? 0,
  succeeded: details.numberOfSucceededThings ?? 0,
  failed: details.numberOfFailedThings ?? 0,
  rejected: details.numberOfRejectedThings ?? 0,
  timedOut: details.numberOfTimedOutThings ?? 0,
  canceled: details.numberOfCanceledThings ?? 0,
  removed: details.numberOfRemovedThings ?? 0,
});

function toListed({ thingArn, jobExecutionSummary }: JobExecutionSummaryForJob): ListedExecution[] {
  const { status, queuedAt, startedAt, lastUpdatedAt } = jobExecutionSummary ?? {};
  const thing = thingArn?.slice(thingArn.indexOf('/') + 1);
  if (thing === undefined || status === undefined) return [];
  return [
    {
      thing,
      status,
      queuedAt: queuedAt?.getTime() ?? null,
      startedAt: startedAt?.getTime() ?? null,
      updatedAt: lastUpdatedAt?.getTime() ?? null,
    },
  ];
}

/** AWS refuses to cancel what is not in progress, in the words it has for any wrong request. */
async function cancel(iot: IoTClient, jobId: string, comment: string): Promise<void> {
  try {
    await iot.send(
      new CancelJobCommand({
        jobId,
        force: true,
        comment: comment.replace(/\p{C}+/gu, ' ').slice(0, LONGEST_COMMENT),
      }),
    );
  } catch (err) {
    if (isAwsError(err, 'ResourceNotFoundException')) return;
    if (!isAwsError(err, 'InvalidRequestException', 'InvalidStateTransitionException')) throw err;
    if ((await describe(iot, jobId))?.status === 'IN_PROGRESS') throw err;
  }
}
