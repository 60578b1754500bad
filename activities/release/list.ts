import type { ReleaseList, SignedRelease } from '../rollout/deps';
import { MAX_METADATA_BYTES } from './folder';
import type { ReleaseStore } from './store';
import { verifyRepository, type VerifyInput } from './verify';

export interface ReleaseListSource {
  /** The root that devices were shipped with. */
  rootFile: string;
  from: VerifyInput['from'];
  now: () => number;
}

const KEPT_MS = 60_000;
const FETCH_WITHIN_MS = 10_000;
const TIMESTAMP = 'metadata/timestamp.json';

/**
 * What devices would be offered, verified as a device does, metadata only. Kept for at most a minute and only while the
 * repository serves the same timestamp: a release is seen as soon as it is published.
 */
export function createReleaseList({ rootFile, from, now }: ReleaseListSource): ReleaseList {
  let kept: { at: number; timestamp: string; releases: Promise<SignedRelease[]> } | null = null;
  const verified = async (): Promise<SignedRelease[]> => {
    const input = { rootFile, from, artifacts: false, nowMs: now(), progress: () => undefined };
    return (await verifyRepository(input)).releases;
  };
  return {
    async list() {
      const timestamp = await readTimestamp(from);
      const at = now();
      if (kept?.timestamp === timestamp && at - kept.at < KEPT_MS) return kept.releases;
      const releases = verified();
      const mine = { at, timestamp, releases };
      kept = mine;
      releases.catch(() => {
        if (kept === mine) kept = null;
      });
      return releases;
    },
  };
}

/** Only compared, never believed; what can't be read is for verification to tell. */
async function readTimestamp(from: ReleaseStore | { url: string }): Promise<string> {
  if (!('url' in from)) return (await from.read(TIMESTAMP))?.toString('utf8') ?? '';
  const url = `${from.url.replace(/\/$/, '')}/${TIMESTAMP}`;
  const { body } = await fetch(url, { signal: AbortSignal.timeout(FETCH_WITHIN_MS) });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_METADATA_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
