import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { RedactingText } from '../diagnostics/redact';
import { parseJson, problemOf } from '../errors';
import { writeFileAtomically } from './atomic-file';

const count = z.int().min(0).max(1_000_000_000);

const lifetimeFile = z.object({
  agentStarts: count,
  boots: count,
  /** Of the boot that was counted last. */
  bootId: z.string().max(64).nullable(),
  applicationRestarts: count,
  lastError: z.object({ at: z.iso.datetime(), what: z.string().max(256) }).nullable(),
});
type Content = z.infer<typeof lifetimeFile>;

const FRESH: Content = {
  agentStarts: 0,
  boots: 0,
  bootId: null,
  applicationRestarts: 0,
  lastError: null,
};
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
const SAVE_EVERY_MS = 600_000;
/** Of an error, before it is redacted and after. */
const MAX_READ = 4_096;
const MAX_WHAT = 200;

interface LifetimeOptions {
  write?: (path: string, content: string) => void;
  /** Null where the system has none. */
  bootId?: () => string | null;
  now?: () => Date;
}

/**
 * What a device remembers of its own life beyond one run of the agent. On disk at each start, and after that every ten
 * minutes at most, so that a loop of failures does not wear out the flash; what a crash loses in between is a few
 * counts. A damaged file begins them anew, and a disk that refuses it costs the memory, nothing else.
 */
export class Lifetime {
  private content: Content;
  private savedAt = -Infinity;
  private timer: NodeJS.Timeout | null = null;
  private readonly path: string;
  private readonly options: Required<LifetimeOptions>;

  constructor(folder: string, options: LifetimeOptions = {}) {
    this.path = join(folder, 'lifetime.json');
    this.options = {
      write: writeFileAtomically,
      bootId: readBootId,
      now: () => new Date(),
      ...options,
    };
    this.content = readLifetime(this.path);
  }

  /** This run included. */
  get agentStarts(): number {
    return this.content.agentStarts;
  }

  /** Boots in which this agent ran; null where the system does not tell one from another. */
  get boots(): number | null {
    return this.content.bootId === null ? null : this.content.boots;
  }

  get applicationRestarts(): number {
    return this.content.applicationRestarts;
  }

  /** Redacted and short enough to be sent anywhere. */
  get lastError(): Content['lastError'] {
    return this.content.lastError;
  }

  begin(): void {
    const { agentStarts, boots, bootId: before } = this.content;
    const bootId = this.options.bootId();
    const booted = bootId !== null && bootId !== before;
    this.content = {
      ...this.content,
      agentStarts: agentStarts + 1,
      boots: booted ? boots + 1 : boots,
      bootId,
    };
    this.save();
  }

  end(): void {
    if (this.timer !== null) this.save();
  }

  countRestart(): void {
    this.change({ applicationRestarts: this.content.applicationRestarts + 1 });
  }

  noteError(text: string): void {
    const what = presentable(text);
    this.change({ lastError: { at: this.options.now().toISOString(), what } });
  }

  private change(change: Partial<Content>): void {
    this.content = { ...this.content, ...change };
    const dueMs = this.savedAt + SAVE_EVERY_MS - performance.now();
    this.timer ??= setTimeout(() => this.save(), Math.max(0, dueMs)).unref();
  }

  private save(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.savedAt = performance.now();
    // Whoever writes knows of the failure: see disk.ts.
    problemOf(() => this.options.write(this.path, JSON.stringify(this.content)));
  }
}

/** Redacted before it is cut, for half of a secret does not look like one. */
export function presentable(text: string, length = MAX_WHAT): string {
  const redacting = new RedactingText();
  const cut = text.length > MAX_READ;
  const whole = redacting.push(text.slice(0, MAX_READ)) + redacting.end(cut);
  // Cut first: half of a surrogate pair is no text either.
  return whole.slice(0, length).replace(/\p{C}+/gu, ' ');
}

function readBootId(): string | null {
  let text = '';
  problemOf(() => (text = readFileSync(BOOT_ID_FILE, 'utf8')));
  return text.trim().slice(0, 64) || null;
}

function readLifetime(path: string): Content {
  let text = '';
  problemOf(() => (text = readFileSync(path, 'utf8')));
  const parsed = lifetimeFile.safeParse(parseJson(text));
  return parsed.success ? parsed.data : FRESH;
}
