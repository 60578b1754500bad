import { WithStartWorkflowOperation, type Client } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import type { IntakeDeps, RunbookStart } from '../activities/intake';
import type { Alarm } from '../domain/alarm/types';
import type { QuarantineInput } from '../domain/quarantine/types';
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
    await client.workflow.startUpdateWithStart<
      Workflow,
      string,
      [{ alarm: Alarm; eventId: string }]
    >(UPDATES.alarm, {
      startWorkflowOperation: start,
      updateId,
      args: [{ alarm, eventId: updateId }],
      waitForStage: 'ACCEPTED',
    });
  },
});
