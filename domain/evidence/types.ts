/** What is kept of one incident, and how it is known that nothing of it was changed. */

/** Which step wrote an entry. No two entries have the same, so a step that is tried again finds its own. */
export interface Writer {
  workflowId: string;
  runId: string;
  step: string;
}

/** One piece of evidence, or the fact that it could not be had. */
export interface EvidenceItem {
  /** What it is, such as `cloud/shadow` or `device/bundle`. */
  what: string;
  thing: string;
  /** S3 key of the object; null where there is none, which `partial` then explains. */
  key: string | null;
  bytes: number | null;
  /** SHA-256, hex: as the device said, and of what arrived. They differ where the device lied or the bytes changed. */
  sha256: { device: string | null; receipt: string | null };
  /** ISO 8601. The device's clock is the device's word. */
  at: { device: string | null; received: string };
  /** What is missing of it and why, a sentence each; empty where it is whole. */
  partial: string[];
}

export interface ManifestEntry extends EvidenceItem {
  version: 1;
  incident: string;
  /** From 1, without a gap. */
  sequence: number;
  by: Writer;
  /** SHA-256 of the entry before as it is stored, hex; of the first entry, 64 zeros. */
  previous: string;
}

/** The last entry. Kept apart from the chain: without it, entries cut off at the end would not be missed. */
export interface ChainHead {
  sequence: number;
  /** SHA-256 of that entry as it is stored. */
  hash: string;
}

/** As it was found. The name is what the key says after the manifest's prefix. */
export interface StoredEntry {
  name: string;
  bytes: Uint8Array;
}

export type ChainVerdict =
  | { ok: true; entries: ManifestEntry[]; head: ChainHead }
  /** `entries`: those before the broken link, which hold. `sequence` is where the first broken link is. */
  | { ok: false; entries: ManifestEntry[]; sequence: number; problem: string };
