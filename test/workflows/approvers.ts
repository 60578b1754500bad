import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { signApproval } from '../../activities/guard/approval-token';
import { addApprover, readPrivateKey } from '../../activities/guard/approver-registry';

export interface Approvers {
  /** For the worker. */
  file: string;
  sign(
    approver: 'ann' | 'ben',
    target: { workflowId: string; targetHash: string },
  ): Promise<{ token: string }>;
}

export async function addApprovers(dir: string): Promise<Approvers> {
  const approversFile = join(dir, 'approvers.json');
  const approverKeysDir = join(dir, 'keys');
  await writeFile(approversFile, '{"keys":[]}');
  for (const name of ['ann', 'ben']) await addApprover(name, { approversFile, approverKeysDir });
  return {
    file: approversFile,
    sign: async (approver, target) => ({
      token: await signApproval({
        approver,
        privateKey: await readPrivateKey(approver, approverKeysDir),
        nowMs: Date.now(),
        ...target,
      }),
    }),
  };
}
