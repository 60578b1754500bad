import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { EvidenceActivities } from '../activities/evidence';
import type { CollectLogsPlan } from '../domain/evidence/collect-logs';
import { TASK_QUEUES, type TaskQueue } from '../domain/temporal';
import { RESOLVING, stepOn, watchOn } from './steps';

export type CollectSteps = ReturnType<typeof collectSteps>;

export const { resolveCollection } = proxyLocalActivities<EvidenceActivities>(RESOLVING);

/** The runbook's steps, each with the queue of its power and the line that Temporal UI shows. */
export function collectSteps({ stepTimeoutMs }: Pick<CollectLogsPlan, 'stepTimeoutMs'>) {
  const on = (taskQueue: TaskQueue, summary: string) =>
    proxyActivities<EvidenceActivities>(stepOn(taskQueue, summary, stepTimeoutMs));
  const { evidence, ship, watch } = TASK_QUEUES;
  const { awaitDiagnostics } = proxyActivities<EvidenceActivities>(
    watchOn(watch, "Wait for the device's upload"),
  );
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
