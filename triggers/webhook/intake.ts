import {
  Connection,
  WorkflowClient,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  type ConnectionOptions,
} from '@temporalio/client';

import type { AlarmIntakeInput } from '../../domain/alarm/types';
import { alarmIntakeId } from '../../domain/alarm/intake-id';
import { TASK_QUEUES, WORKFLOWS } from '../../domain/temporal';

export type IntakeResult = 'started' | 'duplicate';

export interface Intake {
  /** Resolves once Temporal has accepted the run, or had before. Throws where Temporal can't be asked. */
  start(input: AlarmIntakeInput): Promise<IntakeResult>;
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

export interface IntakeOptions {
  connection: ConnectionOptions;
  namespace: string;
}

/** SNS waits 15 s for an answer; the alarm has been read at CloudWatch before. */
const START_TIMEOUT_MS = 5_000;
const HEALTH_TIMEOUT_MS = 2_000;
/** Health checks from several sides become one call. */
const HEALTH_FRESH_MS = 1_000;

/**
 * Starts `alarmIntake`, one run per alarm and state change for as long as the namespace keeps closed runs:
 * its id is made of both, and closed ids are refused too. The connection is lazy, so that the webhook can
 * start before Temporal and say "try again" meanwhile.
 */
export function createIntake({ connection: options, namespace }: IntakeOptions): Intake {
  const connection = Connection.lazy(options);
  const client = new WorkflowClient({ connection, namespace });
  let health = { at: 0, answer: Promise.resolve(false) };

  const check = (): Promise<boolean> =>
    connection
      .withDeadline(Date.now() + HEALTH_TIMEOUT_MS, () =>
        connection.workflowService.describeNamespace({ namespace }),
      )
      .then(
        () => true,
        () => false,
      );

  return {
    async start(input) {
      const workflowId = alarmIntakeId(input.alarm);
      try {
        await connection.withDeadline(Date.now() + START_TIMEOUT_MS, () =>
          client.start(WORKFLOWS.alarmIntake, {
            workflowId,
            taskQueue: TASK_QUEUES.runbooks,
            workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
            args: [input],
            staticSummary: `${input.route.runbook} of ${input.route.thing}`,
          }),
        );
        return 'started';
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return 'duplicate';
        throw error;
      }
    },
    isReachable() {
      if (Date.now() - health.at > HEALTH_FRESH_MS) health = { at: Date.now(), answer: check() };
      return health.answer;
    },
    close: () => connection.close(),
  };
}
