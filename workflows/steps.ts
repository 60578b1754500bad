import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import type { TaskQueue } from '../domain/temporal';

/** Local, and reads only, so that running it again after a lost workflow task changes nothing. */
export const RESOLVING = {
  startToCloseTimeout: '10 seconds',
  summary: 'Check the input, pin the settings',
} as const;

/**
 * A cancelled step is waited for: what it still does must not fall into the undoing or closing of it, nor a watch drop the
 * session of a device that was just given back.
 */
const WAITED_FOR = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} satisfies ActivityOptions;

/** A step that takes longer than `stepTimeoutMs` is tried again, such as one whose worker died. */
export const stepOn = (
  taskQueue: TaskQueue,
  summary: string,
  stepTimeoutMs: number,
): ActivityOptions => ({
  ...WAITED_FOR,
  taskQueue,
  summary,
  startToCloseTimeout: stepTimeoutMs,
  retry: { initialInterval: '250 milliseconds', maximumInterval: '10 seconds' },
});

/** Heartbeats tell of a dead worker; how long it may take is a matter of its own deadlines. */
export const watchOn = (taskQueue: TaskQueue, summary: string): ActivityOptions => ({
  ...WAITED_FOR,
  taskQueue,
  summary,
  startToCloseTimeout: '90 days',
  heartbeatTimeout: '5 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
});
