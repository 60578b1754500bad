import type { z } from 'zod';
import { jobDocument, type JobDocument } from '../../domain/device-protocol/job-document';
import { messageOf } from '../errors';

/** AWS's limit on a job document, in characters. */
const MAX_DOCUMENT = 32_768;

export type ParsedDocument =
  | { ok: true; document: JobDocument }
  /** One line for `statusDetails.reason`: which field and what is wrong with it. */
  | { ok: false; reason: string };

/** Unknown operations, missing, extra or malformed fields are refused: a device does only what is enumerated. */
export function parseJobDocument(document: unknown): ParsedDocument {
  if (document === undefined || document === null) {
    return { ok: false, reason: 'the job has no document' };
  }
  const size = lengthOf(document);
  if (size > MAX_DOCUMENT) {
    return {
      ok: false,
      reason: `the document has ${size} characters; at most ${MAX_DOCUMENT} are taken`,
    };
  }
  try {
    const parsed = jobDocument.safeParse(document);
    if (parsed.success) return { ok: true, document: parsed.data };
    return { ok: false, reason: parsed.error.issues.map(describe).join('; ') };
  } catch (error) {
    // A pattern writes out what is no text before it looks at it.
    return { ok: false, reason: `the document is nested too deep: ${messageOf(error)}` };
  }
}

/** Infinite where it is nested too deep to be written out again. */
function lengthOf(document: unknown): number {
  try {
    return JSON.stringify(document).length;
  } catch {
    return Infinity;
  }
}

function describe(issue: z.core.$ZodIssue): string {
  const field = issue.path.map(String).join('.');
  return `${field === '' ? 'document' : field}: ${issue.message}`;
}
