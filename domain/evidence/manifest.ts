import { createHash } from 'node:crypto';
import { manifestEntry } from './entry.schema';
import { entryName } from './keys';
import type {
  ChainHead,
  ChainVerdict,
  EvidenceItem,
  ManifestEntry,
  StoredEntry,
  Writer,
} from './types';

const NOTHING: ChainHead = { sequence: 0, hash: '0'.repeat(64) };

/** Before the first entry. */
export const emptyChain = (): ChainHead => ({ ...NOTHING });

export const sha256Of = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** The entry that comes after `head`. */
export const nextEntry = (
  incident: string,
  head: ChainHead,
  item: EvidenceItem,
  by: Writer,
): ManifestEntry => ({
  ...item,
  version: 1,
  incident,
  sequence: head.sequence + 1,
  by,
  previous: head.hash,
});

/** The one way to write an entry: fields by name, no space. What is hashed is what is stored, byte by byte. */
export const canonicalEntry = (entry: ManifestEntry): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(sorted(entry)));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, inner]) => [name, sorted(inner)]));
}

/** Null where the bytes are no entry, or not written the one way. */
export function readEntry(bytes: Uint8Array): ManifestEntry | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const parsed = manifestEntry.safeParse(JSON.parse(text));
    if (!parsed.success || !equal(canonicalEntry(parsed.data), bytes)) return null;
    return parsed.data;
  } catch {
    return null;
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, at) => byte === b[at]);

/**
 * Follows the chain from its first entry to `expected`, its last one as it is known elsewhere, and names the first link
 * that does not hold: an entry changed, removed, added, moved, or cut off at the end. `stored` is in the order of its
 * names. A changed entry shows where the next one, or the head, says another hash of it.
 */
export function verifyChain(
  incident: string,
  stored: readonly StoredEntry[],
  expected: ChainHead,
): ChainVerdict {
  const entries: ManifestEntry[] = [];
  let head = emptyChain();
  const broken = (problem: string): ChainVerdict => ({
    ok: false,
    entries,
    sequence: head.sequence + 1,
    problem,
  });
  for (const { name, bytes } of stored) {
    const sequence = head.sequence + 1;
    if (name !== entryName(sequence))
      return broken(`entry ${sequence} is missing or out of place: ${name} is there instead`);
    const entry = readEntry(bytes);
    if (entry === null) return broken(`entry ${sequence} can't be read: it was changed`);
    if (entry.incident !== incident || entry.sequence !== sequence)
      return broken(`${name} holds entry ${entry.sequence} of ${entry.incident}`);
    if (entry.previous !== head.hash)
      return broken(
        `entry ${sequence} does not follow from entry ${head.sequence} as it is stored`,
      );
    if (sequence > expected.sequence)
      return broken(`entry ${sequence} comes after the head, which is entry ${expected.sequence}`);
    head = { sequence, hash: sha256Of(bytes) };
    if (sequence === expected.sequence && head.hash !== expected.hash)
      return { ok: false, entries, sequence, problem: `entry ${sequence} is not the head's` };
    entries.push(entry);
  }
  if (head.sequence < expected.sequence)
    return broken(`entry ${head.sequence + 1} is missing: the head is entry ${expected.sequence}`);
  return { ok: true, entries, head };
}
