import type { CollectItem } from '../../domain/device-protocol/job-document';
import { NAMES } from '../../domain/names';
import { policyArn } from '../../domain/policy/documents';
import { roleArn } from '../../domain/provision/desired';
import type { EvidenceDeps } from './deps';

export interface DiagnosticsJob {
  thing: string;
  /** Picked by the workflow, so a retry finds its own earlier attempt. */
  jobId: string;
  requestedBy: string;
  hashRoots: string[];
  uploadForMs: number;
}

/** A device that took the job and died ends it so; the agent's own limit for a bundle is a minute. */
const IN_PROGRESS_MINUTES = 5;

/** Each thing, job and execution has a key of its own, and a key is written once. */
export const intakeKey = (thing: string, jobId: string): string =>
  `logs/${thing}/${jobId}/${EXECUTION}.gz`;
/** A job of one thing that is not retried by Jobs has one execution. */
const EXECUTION = 1;

/**
 * The URL is minted when the device fetches the document, so that none is in any history and a device that was offline is
 * given a fresh one. https://docs.aws.amazon.com/iot/latest/developerguide/create-manage-jobs.html
 */
export async function sendDiagnostics(
  { jobs, intake, place }: Pick<EvidenceDeps, 'jobs' | 'intake' | 'place'>,
  { thing, jobId, requestedBy, hashRoots, uploadForMs }: DiagnosticsJob,
): Promise<void> {
  const target = intake.urlOf('logs/${thingName}/${jobId}/${executionNumber}.gz');
  const items: CollectItem[] = [
    { kind: 'system' },
    { kind: 'processes' },
    { kind: 'connections' },
    { kind: 'slots' },
    { kind: 'journal' },
    ...hashRoots.map((root) => ({ kind: 'hashes' as const, root })),
    { kind: 'applicationLog', maxBytes: 1_048_576 },
  ];
  const document = {
    ...{ version: 1, requestedBy, operation: 'diagnostics', verb: 'collect', items },
    uploadUrl: `\${aws:iot:s3-presigned-url-upload:${target}}`,
  };
  await jobs.create(jobId, policyArn(place, `thing/${thing}`), document, {
    presignedUrlConfig: {
      roleArn: roleArn(place, NAMES.uploadRole),
      expiresInSec: Math.ceil(uploadForMs / 1_000),
    },
    timeoutConfig: { inProgressTimeoutInMinutes: IN_PROGRESS_MINUTES },
  });
}
