import {
  CancelJobExecutionCommand,
  CreateJobCommand,
  DescribeJobExecutionCommand,
  GetJobDocumentCommand,
  paginateListJobExecutionsForThing,
  type CreateJobCommandInput,
  type IoTClient,
} from '@aws-sdk/client-iot';
import { isAwsError } from '../failure';

export interface JobExecution {
  status: string;
  statusDetails: Record<string, string>;
}

export const isTerminal = (status: string): boolean =>
  ['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'REJECTED', 'REMOVED', 'CANCELED'].includes(status);

export type IotJobs = ReturnType<typeof createIotJobs>;

/** What a job may have beside its document. */
export type JobOptions = Pick<CreateJobCommandInput, 'presignedUrlConfig' | 'timeoutConfig'>;

/**
 * Creates a SNAPSHOT job. Safe to retry: the caller picks `jobId`, so "already exists" with an equal document is our own
 * earlier attempt. With another document it is somebody else's job and fails.
 */
export async function createJob(
  iot: IoTClient,
  { jobId, targets, document }: { jobId: string; targets: string[]; document: object },
  options: JobOptions = {},
): Promise<void> {
  const text = JSON.stringify(document);
  try {
    await iot.send(
      new CreateJobCommand({
        ...options,
        jobId,
        targets,
        document: text,
        targetSelection: 'SNAPSHOT',
      }),
    );
  } catch (err) {
    if (!isAwsError(err, 'ResourceAlreadyExistsException')) throw err;
    const { document: existing } = await iot.send(new GetJobDocumentCommand({ jobId }));
    if (existing !== text) throw err;
  }
}

/** AWS IoT Jobs for one thing at a time. */
export function createIotJobs(iot: IoTClient) {
  return {
    create: (
      jobId: string,
      thingArn: string,
      document: object,
      options?: JobOptions,
    ): Promise<void> => createJob(iot, { jobId, targets: [thingArn], document }, options),
    async execution(jobId: string, thing: string): Promise<JobExecution | null> {
      try {
        const { execution } = await iot.send(
          new DescribeJobExecutionCommand({ jobId, thingName: thing }),
        );
        return {
          status: execution?.status ?? 'UNKNOWN',
          statusDetails: execution?.statusDetails?.detailsMap ?? {},
        };
      } catch (err) {
        if (isAwsError(err, 'ResourceNotFoundException')) return null;
        throw err;
      }
    },
    /** Job ids of the thing's executions that are not terminal. */
    async pending(thing: string): Promise<string[]> {
      const jobIds: string[] = [];
      for (const status of ['QUEUED', 'IN_PROGRESS'] as const) {
        const query = { thingName: thing, status };
        for await (const page of paginateListJobExecutionsForThing({ client: iot }, query))
          for (const { jobId } of page.executionSummaries ?? [])
            if (jobId !== undefined) jobIds.push(jobId);
      }
      return jobIds.sort();
    },
    /** Cancels one device's execution, IN_PROGRESS included; one that ended meanwhile is success. */
    async cancelExecution(jobId: string, thing: string): Promise<void> {
      try {
        await iot.send(new CancelJobExecutionCommand({ jobId, thingName: thing, force: true }));
      } catch (err) {
        if (!isAwsError(err, 'InvalidStateTransitionException', 'ResourceNotFoundException'))
          throw err;
      }
    },
  };
}
