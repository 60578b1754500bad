import { z } from 'zod';
import { objectKey } from '../../domain/evidence/keys';
import { sentence } from '../../domain/evidence/text';
import type { EvidenceItem } from '../../domain/evidence/types';
import type { JobExecution } from '../aws/iot-jobs';
import { isoTime } from '../quarantine/deps';
import { TooLargeError, type EvidenceDeps } from './deps';

export interface ReceiveRequest {
  thing: string;
  incident: string;
  runId: string;
  /** From 1; each is a job of its own. */
  attempt: number;
  intakeKey: string;
  /** How the device's job ended; null where nothing was heard in time. */
  execution: JobExecution | null;
  maxBytes: number;
  legalHold: boolean;
}

/** What a device says of its bundle, in the status details of the job. All of it is its word. */
const claim = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z
    .string()
    .regex(/^\d{1,12}$/)
    .transform(Number),
  collectedAt: z.iso.datetime({ precision: 3 }).optional(),
  truncated: z.enum(['true', 'false']).optional(),
  cut: z.string().optional(),
});
type Claim = z.infer<typeof claim>;

/**
 * Checks the size before a byte is read, streams the bundle through a hash, and copies just that object within S3. It is
 * never unpacked. Whatever does not fit what the device said is kept and told. Safe to retry: the copy is made once.
 */
export async function receiveBundle(
  deps: Pick<EvidenceDeps, 'intake' | 'store' | 'now'>,
  request: ReceiveRequest,
): Promise<EvidenceItem> {
  const { thing, incident, runId, attempt, execution, maxBytes } = request;
  const said = claim.safeParse(execution?.statusDetails ?? {});
  const claimed = said.success ? said.data : null;
  const item = (found: Partial<EvidenceItem>, partial: string[]): EvidenceItem => ({
    ...{ what: `device/bundle/${attempt}`, thing, key: null, bytes: null, ...found },
    sha256: { device: claimed?.sha256 ?? null, receipt: found.sha256?.receipt ?? null },
    at: { device: claimed?.collectedAt ?? null, received: isoTime(deps.now()) },
    partial: [...partial, ...doubts(execution, claimed)].map(sentence),
  });
  const there = await deps.intake.stat(request.intakeKey);
  if (there === null) return item({}, ['nothing was uploaded']);
  if (there.bytes > maxBytes)
    return item({ bytes: there.bytes }, [tooLarge(there.bytes, maxBytes)]);
  const key = objectKey(incident, thing, runId, `bundle-${attempt}.ndjson.gz`);
  try {
    const found = await deps.intake.digest(request.intakeKey, there.etag, maxBytes);
    await deps.intake.keep({ key: request.intakeKey, etag: there.etag }, key, request.legalHold);
    const kept = await deps.store.digest(key, maxBytes);
    if (kept?.sha256 !== found.sha256) throw new Error(`${key} is not what was received`);
    return item(
      { key, bytes: found.bytes, sha256: { device: null, receipt: found.sha256 } },
      claimed === null ? [] : lies(claimed, found),
    );
  } catch (err) {
    if (err instanceof TooLargeError) return item({}, [tooLarge(there.bytes, maxBytes)]);
    throw err;
  }
}

const tooLarge = (bytes: number, limit: number): string =>
  `refused: ${bytes} bytes were uploaded, and at most ${limit} are taken`;

function lies(claimed: Claim, found: { bytes: number; sha256: string }): string[] {
  return [
    ...(claimed.sha256 === found.sha256
      ? []
      : ['the hash that the device gave is not that of what arrived']),
    ...(claimed.bytes === found.bytes
      ? []
      : [`the device said ${claimed.bytes} bytes, and ${found.bytes} arrived`]),
  ];
}

function doubts(execution: JobExecution | null, claimed: Claim | null): string[] {
  if (execution === null) return ['the device did not answer in time'];
  const { status, statusDetails } = execution;
  if (status !== 'SUCCEEDED')
    return [
      `the device's job ended as ${status}: ${statusDetails['reason'] ?? 'without a reason'}`,
    ];
  if (claimed === null) return ['the device did not say a hash and a size'];
  if (claimed.truncated !== 'true') return [];
  return [`the device left something out: ${claimed.cut ?? 'it did not say what'}`];
}
