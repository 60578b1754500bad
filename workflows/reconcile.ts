import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { proxyActivities, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { ReconcileActivities, ReconcileReport } from '../activities/reconcile';
import { TASK_QUEUES } from '../domain/temporal';

const { reconcile: compare } = proxyActivities<ReconcileActivities>({
  taskQueue: TASK_QUEUES.contain,
  startToCloseTimeout: '5 minutes',
  retry: { maximumAttempts: 5 },
  summary: 'Compare what is contained with what is running',
});

/** Re-adopts what is contained without an open run, and reports what a person must look at. Scheduled. */
export async function reconcile(): Promise<ReconcileReport> {
  const report = await compare();
  upsertSearchAttributes([
    { key: keyword('IotRunbook'), value: 'reconcile' },
    { key: keyword('IotOutcome'), value: report.problems.length > 0 ? 'attention' : 'clean' },
  ]);
  setCurrentDetails(
    [
      `${report.contained} of ${report.fleetSize} devices contained`,
      ...report.adopted.map((thing) => `- adopted ${thing}`),
      ...report.problems.map((problem) => `- ${problem}`),
    ].join('\n'),
  );
  return report;
}

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
