import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { EvidenceActivities } from '../activities/evidence';
import type { CollectLogsPlan } from '../domain/evidence/collect-logs';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';

export type CollectSteps = ReturnType<typeof collectSteps>;

/** Reads only, so that running it again after a lost workflow task changes nothing. */
export const { resolveCollection } = proxyLocalActivities<EvidenceActivities>({
  startToCloseTimeout: '10 seconds',
  summary: 'Check the input, pin the settings',
});

/** A cancelled step is waited for: what it still does must not fall into the closing of the record. */
const WAITED_FOR = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} satisfies ActivityOptions;

/** The runbook's steps, each with the queue of its power and the line that Temporal UI shows. */
export function collectSteps({ stepTimeoutMs }: Pick<CollectLogsPlan, 'stepTimeoutMs'>) {
  const on = (taskQueue: TaskQueue, summary: string) =>
    proxyActivities<EvidenceActivities>({
      ...WAITED_FOR,
      taskQueue,
      summary,
      startToCloseTimeout: stepTimeoutMs,
      retry: { initialInterval: '250 milliseconds', maximumInterval: '10 seconds' },
    });
  const { evidence, ship, watch } = TASK_QUEUES;
  const { awaitDiagnostics } = proxyActivities<EvidenceActivities>({
    ...WAITED_FOR,
    taskQueue: watch,
    summary: "Wait for the device's upload",
    startToCloseTimeout: '90 days',
    heartbeatTimeout: '5 seconds',
    retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
  });
  return {
    openChain: on(evidence, 'Find the end of the chain').openChain,
    captureCloud: on(evidence, 'Keep what the cloud knows of the device').captureCloud,
    receiveBundle: on(evidence, 'Check the bundle, copy it to the evidence').receiveBundle,
    appendEntries: on(evidence, 'Add it to the manifest').appendEntries,
    sendDiagnostics: on(ship, 'Ask the device for a bundle').sendDiagnostics,
    cancelDiagnostics: on(ship, 'Close the upload path').cancelDiagnostics,
    awaitDiagnostics,
  };
}
