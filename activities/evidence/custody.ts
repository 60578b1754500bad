import { entryName, manifestPrefix } from '../../domain/evidence/keys';
import {
  canonicalEntry,
  emptyChain,
  nextEntry,
  readEntry,
  sha256Of,
} from '../../domain/evidence/manifest';
import type { ChainHead, EvidenceItem, Writer } from '../../domain/evidence/types';
import type { EvidenceDeps } from './deps';

/** Entries have few fields of bounded length. */
export const MAX_ENTRY_BYTES = 65_536;
/** A chain this far ahead of where the run began is somebody's mistake. */
const MAX_STEPS = 20_000;
const HEAD_TRIES = 50;

export interface AppendRequest {
  incident: string;
  /** The head when the run began: an earlier attempt of ours can only be after it. */
  since: ChainHead;
  /** The `what` of each is its step, and no other of the run has it. */
  items: EvidenceItem[];
  by: Omit<Writer, 'step'>;
  legalHold: boolean;
}

type CustodyDeps = Pick<EvidenceDeps, 'store' | 'heads'>;

export const currentHead = async ({ heads }: CustodyDeps, incident: string): Promise<ChainHead> =>
  (await heads.get(incident))?.head ?? emptyChain();

/**
 * Adds entries at the end of the incident's chain and returns its new head. Safe to retry and against other writers:
 * each place of the chain is written once, whoever comes first; a writer walks past what is there, and recognises what it
 * has written itself by who wrote it.
 */
export async function appendEntries(
  deps: CustodyDeps,
  { incident, since, items, by, legalHold }: AppendRequest,
): Promise<ChainHead> {
  let head = since;
  let next = 0;
  for (let steps = 0; next < items.length; steps += 1) {
    if (steps === MAX_STEPS) throw new Error(`the chain of ${incident} does not end`);
    const item = items[next];
    if (item === undefined) break;
    const writer = { ...by, step: item.what };
    const bytes = canonicalEntry(nextEntry(incident, head, item, writer));
    const key = `${manifestPrefix(incident)}${entryName(head.sequence + 1)}`;
    const created = await deps.store.create(key, bytes, legalHold);
    const there = created ? bytes : await deps.store.read(key, MAX_ENTRY_BYTES);
    if (there === null) throw new Error(`${key} is gone again`);
    if (created || isBy(there, writer)) next += 1;
    head = { sequence: head.sequence + 1, hash: sha256Of(there) };
  }
  await moveHead(deps, incident, head);
  return head;
}

/** What can't be read is somebody else's, and `verify` names it. */
function isBy(bytes: Uint8Array, { workflowId, runId, step }: Writer): boolean {
  const by = readEntry(bytes)?.by;
  return by?.workflowId === workflowId && by.runId === runId && by.step === step;
}

/** Only ever forward; another writer may have moved it further. */
async function moveHead({ heads }: CustodyDeps, incident: string, head: ChainHead): Promise<void> {
  for (let tries = 0; tries < HEAD_TRIES; tries += 1) {
    const known = await heads.get(incident);
    if (known !== null && known.head.sequence >= head.sequence) return;
    if (await heads.put(incident, head, known?.etag ?? null)) return;
  }
  throw new Error(`the head of ${incident} keeps moving`);
}
