import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { z } from 'zod';
import { targetHash } from '../../../domain/guard/target-hash';

export interface ApprovalTarget {
  targetHash: string;
  /** Empty where the hash is of a frozen plan with more targets than one can show; then `summary` says what it holds. */
  targets: string[];
  summary?: string;
}

const answerSchema = z.object({
  targetHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'is not a hash: the runbook waits for no approval'),
  targets: z.array(z.string()),
  summary: z
    .string()
    .max(10_000)
    .optional()
    .transform((text) => text?.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ').trim()),
});
const TIMEOUT_MS = 5_000;
const APPROVAL_TARGET_QUERY = 'approvalTarget';

/** What a waiting runbook asks people to approve, checked: where it shows targets, the hash is theirs. */
export async function readApprovalTarget(
  workflowId: string,
  { connection: options, namespace }: { connection: ConnectionOptions; namespace: string },
): Promise<ApprovalTarget> {
  const hint = 'or give the hash that you checked yourself with --target';
  const connection = await Connection.connect({ ...options, connectTimeout: TIMEOUT_MS }).catch(
    (err: unknown) => {
      throw new Error(
        `Temporal at ${options.address ?? ''} does not answer (${text(err)}): start it, ${hint}.`,
        {
          cause: err,
        },
      );
    },
  );
  try {
    const handle = new Client({ connection, namespace }).workflow.getHandle(workflowId);
    const [{ type }, answer] = await connection.withDeadline(Date.now() + TIMEOUT_MS, () =>
      Promise.all([handle.describe(), handle.query<unknown>(APPROVAL_TARGET_QUERY)]),
    );
    return checkTarget(type, answer);
  } catch (err) {
    throw new Error(
      `${workflowId} does not tell its targets (${text(err)}): check the id, ${hint}.`,
      { cause: err },
    );
  } finally {
    await connection.close();
  }
}

const text = (err: unknown): string => (err instanceof Error ? err.message : String(err));

export function checkTarget(runbook: string, answer: unknown): ApprovalTarget {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) {
    throw new Error(`The workflow's targets can't be approved: ${z.prettifyError(parsed.error)}`);
  }
  const { targets, summary = '' } = parsed.data;
  if (targets.length === 0) {
    if (summary !== '') return { targetHash: parsed.data.targetHash, targets, summary };
    throw new Error(
      'The workflow shows neither targets nor a summary: there is nothing to approve.',
    );
  }
  if (targetHash({ runbook, things: targets }) !== parsed.data.targetHash) {
    throw new Error('The hash that the workflow gives is not that of the targets it shows.');
  }
  return { targetHash: parsed.data.targetHash, targets };
}
