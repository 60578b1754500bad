import { z } from 'zod';
import { objectKey } from '../../domain/evidence/keys';
import { sha256Of } from '../../domain/evidence/manifest';
import { sentence } from '../../domain/evidence/text';
import type { EvidenceItem } from '../../domain/evidence/types';
import { isPermanent } from '../failure';
import { isoTime } from '../quarantine/deps';
import type { CloudSource, EvidenceDeps, Reading, Window } from './deps';

/** One kind of evidence; a hundred devices at once must fit into the worker. */
const MAX_OBJECT_BYTES = 2_000_000;
const READ_WITHIN_MS = 15_000;
/** AWS allows ten and more calls a second of each kind for the account; other runbooks need them too. */
const AT_ONCE = 3;

export interface CaptureRequest {
  thing: string;
  incident: string;
  runId: string;
  window: Window;
  legalHold: boolean;
  /** What can't be read is then told as missing; before, the whole step is tried again. */
  lastAttempt: boolean;
}

/** What the document in the store says of itself. */
interface Captured {
  what: string;
  thing: string;
  capturedAt: string;
  window: { from: string; to: string };
  partial: string[];
  data: unknown;
}

type CaptureDeps = Pick<EvidenceDeps, 'store' | 'sources' | 'now'>;

/**
 * Everything that the cloud knows of the device, one object a kind. Safe to retry: what an earlier attempt has stored
 * stays, since it is nearer to the incident.
 */
export async function captureCloud(
  deps: CaptureDeps,
  request: CaptureRequest,
): Promise<EvidenceItem[]> {
  const items: EvidenceItem[] = [];
  for (let at = 0; at < deps.sources.length; at += AT_ONCE) {
    const some = deps.sources.slice(at, at + AT_ONCE);
    items.push(...(await Promise.all(some.map((source) => captureOne(deps, request, source)))));
  }
  return items;
}

async function captureOne(
  deps: CaptureDeps,
  request: CaptureRequest,
  source: CloudSource,
): Promise<EvidenceItem> {
  const { incident, thing, runId } = request;
  const what = `cloud/${source.what}`;
  const key = objectKey(incident, thing, runId, `${source.what}.json`);
  const earlier = await deps.store.read(key, MAX_OBJECT_BYTES);
  if (earlier !== null) return itemOf(key, earlier);
  const capturedAt = isoTime(deps.now());
  const missing = (why: string): EvidenceItem => ({
    ...{ what, thing, key: null, bytes: null },
    sha256: { device: null, receipt: null },
    at: { device: null, received: capturedAt },
    partial: [sentence(why)],
  });
  let reading: Reading;
  try {
    const signal = AbortSignal.timeout(READ_WITHIN_MS);
    reading = await source.read({ thing, window: request.window, signal });
  } catch (err) {
    // A permission that is missing for one kind must not keep the rest from being kept.
    if (!request.lastAttempt && !isPermanent(err)) throw err;
    return missing(`could not be read: ${err instanceof Error ? err.message : String(err)}`);
  }
  const { from, to } = request.window;
  const captured: Captured = {
    ...{ what, thing, capturedAt, window: { from: isoTime(from), to: isoTime(to) } },
    ...{ partial: reading.partial.map(sentence), data: reading.data },
  };
  const bytes = new TextEncoder().encode(JSON.stringify(captured));
  if (bytes.length > MAX_OBJECT_BYTES)
    return missing(`has ${bytes.length} bytes, and at most ${MAX_OBJECT_BYTES} are kept`);
  if (await deps.store.create(key, bytes, request.legalHold)) return itemOf(key, bytes);
  const there = await deps.store.read(key, MAX_OBJECT_BYTES);
  if (there === null) throw new Error(`${key} is gone again`);
  return itemOf(key, there);
}

const own = z.object({
  what: z.string(),
  thing: z.string(),
  capturedAt: z.string(),
  partial: z.array(z.string()),
});

function itemOf(key: string, bytes: Uint8Array): EvidenceItem {
  const { what, thing, capturedAt, partial } = own.parse(
    JSON.parse(new TextDecoder().decode(bytes)),
  );
  return {
    ...{ what, thing, key, bytes: bytes.length, partial },
    sha256: { device: null, receipt: sha256Of(bytes) },
    at: { device: null, received: capturedAt },
  };
}
