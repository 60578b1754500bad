import { manifestPrefix, objectPrefix } from '../../domain/evidence/keys';
import { emptyChain, verifyChain } from '../../domain/evidence/manifest';
import type { ChainHead, ManifestEntry, StoredEntry } from '../../domain/evidence/types';
import { MAX_ENTRY_BYTES } from './custody';
import { TooLargeError, type EvidenceDeps } from './deps';

const MAX_ENTRIES = 100_000;
/** Reads of entries that are under way at a time. */
const AT_ONCE = 16;

export interface Verdict {
  ok: boolean;
  /** Those that hold, up to the first broken link. */
  entries: ManifestEntry[];
  head: ChainHead;
  /** The first broken link first; empty where all holds. */
  problems: string[];
  objects: number;
  bytes: number;
}

type VerifyDeps = Pick<EvidenceDeps, 'store' | 'heads'>;

/**
 * Follows the chain to its head, then hashes every object again as it streams by. `known` is a head that somebody wrote
 * down earlier: what follows it may be new, but it must still be in the chain. Reads only.
 */
export async function verifyIncident(
  deps: VerifyDeps,
  incident: string,
  known: ChainHead | null,
): Promise<Verdict> {
  const head = (await deps.heads.get(incident))?.head ?? emptyChain();
  const stored = await readEntries(deps, incident);
  const chain = verifyChain(incident, stored, head);
  const problems: string[] = [];
  if (stored.length === 0 && head.sequence === 0) problems.push('there is no evidence of it');
  if (!chain.ok) problems.push(`link ${chain.sequence}: ${chain.problem}`);
  problems.push(...witness(chain.entries, stored, known));
  const named = new Map(chain.entries.flatMap((entry) => (entry.key ? [[entry.key, entry]] : [])));
  let bytes = 0;
  for (const entry of named.values()) {
    const problem = await objectProblem(deps, entry);
    if (problem !== null) problems.push(`entry ${entry.sequence}, ${entry.what}: ${problem}`);
    bytes += entry.bytes ?? 0;
  }
  // Beyond a broken link nothing is known of what should be there.
  if (chain.ok) problems.push(...(await strangers(deps, incident, named)));
  return {
    ok: problems.length === 0,
    ...{ entries: chain.entries, head, problems, objects: named.size, bytes },
  };
}

async function readEntries({ store }: VerifyDeps, incident: string): Promise<StoredEntry[]> {
  const prefix = manifestPrefix(incident);
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) {
    if (keys.length === MAX_ENTRIES) throw new Error(`${incident} has too many entries`);
    keys.push(key);
  }
  const entries: StoredEntry[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const some = keys.slice(at, at + AT_ONCE).map(async (key) => ({
      name: key.slice(prefix.length),
      bytes: (await bounded(() => store.read(key, MAX_ENTRY_BYTES))) ?? new Uint8Array(),
    }));
    entries.push(...(await Promise.all(some)));
  }
  return entries;
}

/** What is too large is no entry of ours: as good as one that can't be read. */
async function bounded<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (err) {
    if (err instanceof TooLargeError) return null;
    throw err;
  }
}

function witness(
  entries: readonly ManifestEntry[],
  stored: readonly StoredEntry[],
  known: ChainHead | null,
): string[] {
  if (known === null || known.sequence === 0) return [];
  const { sequence, hash } = known;
  const holds = verifyChain(entries[0]?.incident ?? '', stored.slice(0, sequence), known).ok;
  return holds
    ? []
    : [`entry ${sequence} is not the one whose hash begins with ${hash.slice(0, 12)}`];
}

async function objectProblem({ store }: VerifyDeps, entry: ManifestEntry): Promise<string | null> {
  const { key, bytes, sha256 } = entry;
  if (key === null) return null;
  if (!key.startsWith(objectPrefix(entry.incident))) return 'its object is not the incident’s';
  const found = await bounded(() =>
    store.digest(key, bytes ?? 0).then((digest) => digest ?? 'gone'),
  );
  if (found === 'gone') return `${key} is gone`;
  if (found === null) return `${key} has grown`;
  if (found.bytes !== bytes) return `${key} has ${found.bytes} bytes, and had ${bytes ?? 0}`;
  return found.sha256 === sha256.receipt ? null : `${key} was changed: its hash is another`;
}

async function strangers(
  { store }: VerifyDeps,
  incident: string,
  named: ReadonlyMap<string, ManifestEntry>,
): Promise<string[]> {
  const problems: string[] = [];
  for await (const { key } of store.list(objectPrefix(incident)))
    if (!named.has(key))
      problems.push(`${key} is in no entry: it was added, or its entry is missing`);
  return problems.slice(0, 100);
}
