import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, type Workflow } from '@temporalio/common';
import type { IntakeDeps, RunbookStart } from '../activities/intake';
import type { ReconcileDeps } from '../activities/reconcile';
import type { Alarm } from '../domain/alarm/types';
import type { QuarantineInput, QuarantinePhase } from '../domain/quarantine/types';
import { TASK_QUEUES, UPDATES, WORKFLOWS } from '../domain/temporal';

/** Reaches a device's runbook by its lock: the open run where there is one, otherwise a new one. */
export const createRunbookStarter = (client: Client): IntakeDeps => ({
  async startOrTell({ workflowId, input, alarm, updateId }: RunbookStart) {
    const start = new WithStartWorkflowOperation<(input: QuarantineInput) => Promise<unknown>>(
      WORKFLOWS.quarantine,
      {
        workflowId,
        taskQueue: TASK_QUEUES.runbooks,
        args: [input],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        staticSummary: `Quarantine ${input.thing}`,
        staticDetails: `Started by alarm ${alarm.name}, ${alarm.stateChangedAt}`,
      },
    );
    // Only an answer that is waited for tells of a refusal, such as by a dry run, which must be tried again.
    await client.workflow.executeUpdateWithStart<
      Workflow,
      string,
      [{ alarm: Alarm; eventId: string }]
    >(UPDATES.alarm, {
      startWorkflowOperation: start,
      updateId,
      args: [{ alarm, eventId: updateId }],
    });
  },
});

export type RunFinder = Pick<ReconcileDeps, 'openPhase' | 'openRuns' | 'endRun' | 'startAdopting'>;

/** What the reconciler asks Temporal. */
export const createRunFinder = (client: Client): RunFinder => ({
  async openPhase(workflowId) {
    try {
      const run = await client.workflow.getHandle(workflowId).describe();
      if (run.status.name !== 'RUNNING') return null;
      const phase = run.typedSearchAttributes.get(PHASE);
      return (phase ?? 'resolving') as QuarantinePhase;
    } catch (err) {
      if (err instanceof WorkflowNotFoundError) return null;
      throw err;
    }
  },
  async openRuns() {
    const ids: string[] = [];
    const query = `WorkflowType='${WORKFLOWS.quarantine}' AND ExecutionStatus='Running'`;
    for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId);
    return ids;
  },
  async endRun(workflowId) {
    try {
      await client.workflow.getHandle(workflowId).cancel();
    } catch (err) {
      if (!(err instanceof WorkflowNotFoundError)) throw err;
    }
  },
  async startAdopting(record) {
    const { thing } = record.snapshot;
    try {
      await client.workflow.start<(input: QuarantineInput) => Promise<unknown>>(
        WORKFLOWS.quarantine,
        {
          workflowId: record.workflowId,
          taskQueue: TASK_QUEUES.runbooks,
          args: [
            {
              thing,
              reason: `adopted: ${record.reason}`.slice(0, 512),
              requestedBy: record.by,
              adopt: true,
            },
          ],
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          staticSummary: `Quarantine ${thing}`,
          staticDetails: `Adopted by the reconciler: contained ${record.at} without an open run`,
        },
      );
    } catch (err) {
      if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
    }
  },
});

const PHASE = defineSearchAttributeKey('IotPhase', SearchAttributeType.KEYWORD);
