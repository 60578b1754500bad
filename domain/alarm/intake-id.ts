import { createHash } from 'node:crypto';

import type { Alarm } from './types';

/** One id per alarm and change of its state, whichever way and however often it arrives. Not for workflow code. */
export function alarmIntakeId({
  arn,
  stateChangedAt,
}: Pick<Alarm, 'arn' | 'stateChangedAt'>): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([arn, stateChangedAt]))
    .digest('hex');
  return `alarm/${hash}`;
}
