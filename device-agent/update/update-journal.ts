import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { TARGET_NAME, releaseTarget } from '../../domain/device-protocol/release-target';
import type { ReportedState } from '../../domain/device-protocol/telemetry';
import { codeOf, parseJson, problemOf } from '../errors';
import { writeFileAtomically } from '../state/atomic-file';
import { makeFolder } from '../state/make-folder';
import { UPDATE_STATES } from './machine';
import type { Floor } from './types';

const count = z.int().min(0).max(1_000_000_000_000);
const text = z.string().max(4_096);

const floor = z.strictObject({ release: count, securityEpoch: count });

const target = z.strictObject({
  name: z.string().max(256).regex(TARGET_NAME),
  length: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  url: text,
  release: releaseTarget,
});

const outcome = z.strictObject({
  status: z.enum(['SUCCEEDED', 'FAILED', 'REJECTED']),
  details: z.record(z.string(), z.string()),
});

const failure = z.strictObject({
  /** The state that it happened in. */
  step: z.enum(UPDATE_STATES),
  reason: text,
  /** `withdrawn`: it leaves no outcome behind, and begins anew if its job is offered again. */
  status: z.enum(['FAILED', 'REJECTED', 'withdrawn']),
});
export type UpdateFailure = z.infer<typeof failure>;

const current = z.strictObject({
  /** Job id and execution number. */
  key: text,
  target,
  /** What ran before: a version, and the slot that it is in. */
  from: z.strictObject({ version: text, slot: text }),
  /** ISO 8601. */
  startedAt: text,
  state: z.enum(UPDATE_STATES).exclude(['idle']),
  /** Starts of the new slot so far. */
  starts: count,
  /** Entries into a state so far: what bounds an update that is interrupted again and again. */
  entries: count,
  /** Why it is on its way out; null while it goes well. */
  failure: failure.nullable(),
});
export type CurrentUpdate = z.infer<typeof current>;

const past = z.strictObject({
  key: text,
  target: text,
  version: text,
  release: count,
  outcome,
  /** ISO 8601. */
  at: text,
});
export type PastUpdate = z.infer<typeof past>;

const file = z.strictObject({
  version: z.literal(1),
  floor,
  current: current.nullable(),
  history: z.array(past).max(64),
});
type Content = z.infer<typeof file>;

/** What a damaged file may still tell, each part by itself. */
const remains = z.object({
  floor: floor.catch({ release: 0, securityEpoch: 0 }),
  current: z.object({ key: text }).nullable().catch(null),
  history: z.array(past).catch([]),
});

const EMPTY: Content = {
  version: 1,
  floor: { release: 0, securityEpoch: 0 },
  current: null,
  history: [],
};
const NONE_REPORTED = {
  state: 'idle',
  target: null,
  version: null,
  release: null,
  outcome: null,
  reason: null,
  at: null,
};
/** A shadow holds 8 KB in all. */
const MAX_REPORTED_REASON = 256;
/** As many as a history shows; the last ten updates. */
const MAX_HISTORY = 10;

/**
 * The state of the one update that a device carries out at a time, written before each step. A change holds in
 * memory even where the disk refuses it: the writing then throws, and the caller decides what may still be done.
 */
export class UpdateJournal {
  /** Null unless the file can't be trusted: then the key of the update that it told of, if it still does. */
  readonly damage: { key: string | null } | null;
  private content: Content;
  private readonly path: string;

  constructor(
    folder: string,
    private readonly write = writeFileAtomically,
  ) {
    this.path = join(folder, 'update.json');
    // A disk that refuses says so again where something is to be written.
    problemOf(() => makeFolder(folder));
    const read = readJournal(this.path);
    this.content = read.content;
    this.damage = read.damage;
  }

  get current(): CurrentUpdate | null {
    return this.content.current;
  }

  get floor(): Floor {
    return this.content.floor;
  }

  /** Newest last. */
  get history(): readonly PastUpdate[] {
    return this.content.history;
  }

  /** As the shadow tells it: the update in hand, else the last one. */
  reported(): NonNullable<ReportedState['update']> {
    const { current, history } = this.content;
    const last = history.at(-1);
    if (current !== null) {
      const { state, target, failure, startedAt } = current;
      const { version, release } = target.release;
      const reason = failure?.reason.slice(0, MAX_REPORTED_REASON) ?? null;
      return { state, target: target.name, version, release, outcome: null, reason, at: startedAt };
    }
    if (last === undefined) return NONE_REPORTED;
    const { target, version, release, outcome, at } = last;
    const reason = outcome.details['reason']?.slice(0, MAX_REPORTED_REASON) ?? null;
    return { state: 'idle', target, version, release, outcome: outcome.status, reason, at };
  }

  find(key: string): PastUpdate | null {
    return this.content.history.find((entry) => entry.key === key) ?? null;
  }

  enter(update: CurrentUpdate): void {
    this.save({ current: update });
  }

  /** The update is over; `entry` is null where it leaves nothing to report. */
  finish(entry: PastUpdate | null, reached: Floor): void {
    const others = this.content.history.filter(({ key }) => key !== entry?.key);
    const history = entry === null ? others : [...others, entry].slice(-MAX_HISTORY);
    this.save({ current: null, history, floor: higher(this.content.floor, reached) });
  }

  private save(change: Partial<Content>): void {
    this.content = { ...this.content, ...change };
    this.write(this.path, JSON.stringify(this.content));
  }
}

export const higher = (a: Floor, b: Floor): Floor => ({
  release: Math.max(a.release, b.release),
  securityEpoch: Math.max(a.securityEpoch, b.securityEpoch),
});

function readJournal(path: string): { content: Content; damage: UpdateJournal['damage'] } {
  let raw: string;
  try {
    raw = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { content: EMPTY, damage: null };
    return { content: EMPTY, damage: { key: null } };
  }
  const parsed = file.safeParse(parseJson(raw));
  if (parsed.success) return { content: parsed.data, damage: null };
  // Kept for whoever wants to know how it came about; the update goes back without it.
  problemOf(() => writeFileAtomically(`${path}.damaged`, raw));
  const left = remains.safeParse(parseJson(raw));
  if (!left.success) return { content: EMPTY, damage: { key: null } };
  const { floor: reached, history } = left.data;
  const content = { ...EMPTY, floor: reached, history: history.slice(-MAX_HISTORY) };
  return { content, damage: { key: left.data.current?.key ?? null } };
}
