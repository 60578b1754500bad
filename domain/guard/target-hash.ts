import { createHash } from 'node:crypto';

export interface FrozenTargets {
  /** Workflow type, so that an approval to quarantine is none to do something else to the same devices. */
  runbook: string;
  things: string[];
}

/**
 * What approvers sign: SHA-256 in hex over the runbook and its things, sorted and without repetition.
 * Not for workflows (they have no Node builtins): an activity computes it and history holds the answer.
 */
export function targetHash({ runbook, things }: FrozenTargets): string {
  const canonical = JSON.stringify({ runbook, things: [...new Set(things)].sort() });
  return createHash('sha256').update(canonical, 'utf8').digest('hex');
}
