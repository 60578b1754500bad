import { createHash } from 'node:crypto';
import {
  TooLargeError,
  type ChainHeads,
  type EvidenceStore,
} from '../../../activities/evidence/deps';
import type { ChainHead, EvidenceItem } from '../../../domain/evidence/types';

/** A locked bucket and the heads, in memory; `beforeCreate` lets another writer come first. */
export class EvidenceWorld {
  readonly objects = new Map<string, Uint8Array>();
  readonly headOf = new Map<string, { head: ChainHead; etag: string }>();
  beforeCreate: (key: string) => Promise<void> = () => Promise.resolve();

  readonly store: EvidenceStore = {
    create: async (key, bytes) => {
      await this.beforeCreate(key);
      if (this.objects.has(key)) return false;
      this.objects.set(key, bytes);
      return true;
    },
    read: (key, maxBytes) => Promise.resolve(this.bounded(key, maxBytes)),
    digest: (key, maxBytes) => {
      const bytes = this.bounded(key, maxBytes);
      if (bytes === null) return Promise.resolve(null);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return Promise.resolve({ bytes: bytes.length, sha256 });
    },
    list: (prefix) => this.list(prefix),
    open: () => Promise.resolve(null),
  };

  readonly heads: ChainHeads = {
    get: (incident) => Promise.resolve(this.headOf.get(incident) ?? null),
    put: (incident, head, etag) => {
      if ((this.headOf.get(incident)?.etag ?? null) !== etag) return Promise.resolve(false);
      this.headOf.set(incident, { head, etag: `"${head.sequence}"` });
      return Promise.resolve(true);
    },
  };

  private bounded(key: string, maxBytes: number): Uint8Array | null {
    const bytes = this.objects.get(key) ?? null;
    if (bytes !== null && bytes.length > maxBytes) throw new TooLargeError(key, maxBytes);
    return bytes;
  }

  private async *list(prefix: string) {
    await Promise.resolve();
    for (const key of [...this.objects.keys()].sort())
      if (key.startsWith(prefix)) yield { key, bytes: this.objects.get(key)?.length ?? 0 };
  }
}

export const itemOf = (what: string, more: Partial<EvidenceItem> = {}): EvidenceItem => ({
  ...{ what, thing: 'pump-1', key: null, bytes: null, partial: [] },
  sha256: { device: null, receipt: null },
  at: { device: null, received: '2026-11-25T08:00:00.000Z' },
  ...more,
});
