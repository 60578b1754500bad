import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  canonicalEntry,
  emptyChain,
  nextEntry,
  readEntry,
  sha256Of,
  verifyChain,
} from '../../../domain/evidence/manifest';
import { entryName } from '../../../domain/evidence/keys';
import type { ChainHead, EvidenceItem, StoredEntry } from '../../../domain/evidence/types';

const INCIDENT = 'device/pump-1';
const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/);
const time = fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true });
const text = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).filter(isWellFormed);

const item: fc.Arbitrary<EvidenceItem> = fc.record({
  what: text,
  thing: fc.stringMatching(/^[a-z0-9-]{1,12}$/),
  key: fc.option(text),
  bytes: fc.option(fc.nat()),
  sha256: fc.record({ device: fc.option(sha256), receipt: fc.option(sha256) }),
  at: fc.record({
    device: fc.option(time.map((date) => date.toISOString())),
    received: time.map((date) => date.toISOString()),
  }),
  partial: fc.array(text, { maxLength: 3 }),
});
const items = fc.array(item, { minLength: 1, maxLength: 6 });

interface Chain {
  stored: StoredEntry[];
  head: ChainHead;
}

function chainOf(all: EvidenceItem[]): Chain {
  let head = emptyChain();
  const stored = all.map((each, at) => {
    const by = { workflowId: 'logs/pump-1/1', runId: 'run', step: `step ${at}` };
    const bytes = canonicalEntry(nextEntry(INCIDENT, head, each, by));
    head = { sequence: head.sequence + 1, hash: sha256Of(bytes) };
    return { name: entryName(head.sequence), bytes };
  });
  return { stored, head };
}

/** What is stored under the same names after somebody has put other contents there. */
const renamed = (stored: StoredEntry[]): StoredEntry[] =>
  stored.map(({ bytes }, at) => ({ name: entryName(at + 1), bytes }));

const chain = items.map(chainOf);
const anyIndex = fc.nat({ max: 1_000 });

describe('a manifest', () => {
  it('holds as it was written, whatever its entries say', () => {
    fc.assert(
      fc.property(chain, ({ stored, head }) => {
        expect(verifyChain(INCIDENT, stored, head)).toMatchObject({ ok: true, head });
      }),
    );
  });

  it('is empty where the head says so', () => {
    expect(verifyChain(INCIDENT, [], emptyChain())).toMatchObject({ ok: true, entries: [] });
  });

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(item, (one) => {
        const by = { workflowId: 'logs/pump-1/1', runId: 'run', step: 'step' };
        const entry = nextEntry(INCIDENT, emptyChain(), one, by);
        expect(readEntry(canonicalEntry(entry))).toEqual(entry);
      }),
    );
  });

  it('breaks at the entry or the one after where any single bit is flipped', () => {
    fc.assert(
      fc.property(chain, anyIndex, fc.nat(), ({ stored, head }, which, bit) => {
        const at = which % stored.length;
        const bytes = Uint8Array.from(stored[at]?.bytes ?? []);
        const place = bit % (bytes.length * 8);
        bytes[place >> 3] = (bytes[place >> 3] ?? 0) ^ (1 << (place & 7));
        const verdict = verifyChain(
          INCIDENT,
          stored.map((entry, index) => (index === at ? { ...entry, bytes } : entry)),
          head,
        );
        expect(verdict.ok).toBe(false);
        if (!verdict.ok) expect([at + 1, at + 2]).toContain(verdict.sequence);
      }),
      { numRuns: 500 },
    );
  });

  it('breaks at a removed entry, the last one included, also where the rest is renamed', () => {
    fc.assert(
      fc.property(chain, anyIndex, fc.boolean(), ({ stored, head }, which, rename) => {
        const at = which % stored.length;
        const left = stored.filter((_, index) => index !== at);
        const verdict = verifyChain(INCIDENT, rename ? renamed(left) : left, head);
        expect(verdict).toMatchObject({ ok: false, sequence: at + 1 });
      }),
    );
  });

  it('breaks where entries are cut off at the end, by how many so ever', () => {
    fc.assert(
      fc.property(chain, anyIndex, ({ stored, head }, which) => {
        const kept = which % stored.length;
        const verdict = verifyChain(INCIDENT, stored.slice(0, kept), head);
        expect(verdict).toMatchObject({ ok: false, sequence: kept + 1 });
      }),
    );
  });

  it('breaks at an added entry, also one that is linked rightly', () => {
    fc.assert(
      fc.property(chain, item, anyIndex, ({ stored, head }, extra, which) => {
        const at = which % (stored.length + 1);
        const before = stored.slice(0, at);
        const last = before.at(-1);
        const link =
          last === undefined ? emptyChain() : { sequence: at, hash: sha256Of(last.bytes) };
        const by = { workflowId: 'forged', runId: 'run', step: 'step' };
        const added = {
          name: entryName(at + 1),
          bytes: canonicalEntry(nextEntry(INCIDENT, link, extra, by)),
        };
        const verdict = verifyChain(
          INCIDENT,
          renamed([...before, added, ...stored.slice(at)]),
          head,
        );
        expect(verdict.ok).toBe(false);
        if (!verdict.ok) expect([at + 1, at + 2]).toContain(verdict.sequence);
      }),
    );
  });

  it('breaks at the first of two that changed places', () => {
    fc.assert(
      fc.property(chain, anyIndex, anyIndex, ({ stored, head }, one, other) => {
        fc.pre(one % stored.length !== other % stored.length);
        const moved = [...stored];
        const [a, b] = [one % stored.length, other % stored.length];
        [moved[a], moved[b]] = [stored[b] as StoredEntry, stored[a] as StoredEntry];
        const first = Math.min(a, b) + 1;
        for (const found of [moved, renamed(moved)])
          expect(verifyChain(INCIDENT, found, head)).toMatchObject({ ok: false, sequence: first });
      }),
    );
  });

  it('breaks where it is another incident’s', () => {
    const { stored, head } = chainOf([
      {
        what: 'cloud/thing',
        thing: 'pump-1',
        key: null,
        bytes: null,
        sha256: { device: null, receipt: null },
        at: { device: null, received: '2026-11-25T08:00:00.000Z' },
        partial: [],
      },
    ]);
    expect(verifyChain(INCIDENT, stored, head).ok).toBe(true);
    expect(verifyChain('device/pump-2', stored, head)).toMatchObject({ ok: false, sequence: 1 });
  });
});

/** JSON can't tell one lone surrogate from another once they are UTF-8. */
function isWellFormed(value: string): boolean {
  return value === Buffer.from(value).toString();
}
