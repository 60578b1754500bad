import type { Client } from '@temporalio/client';

export interface EventCounts {
  runs: number;
  all: number;
  mostOfARun: number;
}

/** Events in the histories of all runs of these workflows, as the server counts them. */
export async function countEvents(
  temporal: Client,
  types: readonly string[],
): Promise<EventCounts> {
  const names = types.map((type) => `'${type}'`).join(', ');
  const lengths: number[] = [];
  for await (const { historyLength } of temporal.workflow.list({
    query: `WorkflowType IN (${names})`,
  }))
    lengths.push(historyLength);
  return {
    runs: lengths.length,
    all: lengths.reduce((sum, length) => sum + length, 0),
    mostOfARun: Math.max(0, ...lengths),
  };
}
