import { BLOB, SECRET_RULES, isSecretBlob } from './secrets';
import { unescaped } from './unescaped';

/** A part of a text that must not leave the device. */
interface Range {
  start: number;
  end: number;
  name: string;
}

const KEY_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/g;
const KEY_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,8}-----/g;
/** A private key is at most this long, line prefixes of a log included; a key without an end is taken to be as long. */
export const MAX_KEY_LENGTH = 16_384;

/** Replaces every secret by `[redacted:…]`. For texts that are at hand whole, such as a name or a command line. */
export function redact(text: string): string {
  return withoutSecrets(text, 0, text.length, secretsIn(text));
}

/** In the text as it is, and as it was before it was written into a string. Sorted and without overlaps. */
function secretsIn(text: string): Range[] {
  const found = matchesIn(text);
  for (const inner of unescaped(text)) {
    for (const { start, end, name } of matchesIn(inner.text))
      found.push({ start: inner.origin(start), end: inner.origin(end), name });
  }
  return united(found);
}

function matchesIn(text: string): Range[] {
  const found: Range[] = keysIn(text);
  for (const { name, pattern, fits } of SECRET_RULES) {
    for (const match of text.matchAll(pattern)) {
      const secret = match.slice(1).find(Boolean) ?? match[0];
      const end = match.index + match[0].length;
      if (fits?.(secret) ?? true) found.push({ start: end - secret.length, end, name });
    }
  }
  for (const { index, 0: blob } of text.matchAll(BLOB)) {
    if (isSecretBlob(text, index, blob)) {
      found.push({ start: index, end: index + blob.length, name: 'blob' });
    }
  }
  return found;
}

/** PEM private keys, over lines; also those of which only the beginning or only the end is in the text. */
function keysIn(text: string): Range[] {
  const found: Range[] = [];
  const ends = [...text.matchAll(KEY_END)].map((match) => match.index + match[0].length);
  for (const { index } of text.matchAll(KEY_BEGIN)) {
    const limit = index + MAX_KEY_LENGTH;
    const end = ends.find((candidate) => candidate > index && candidate <= limit);
    found.push({ start: index, end: end ?? Math.min(limit, text.length), name: 'private-key' });
  }
  for (const end of ends) {
    if (found.some((range) => range.start < end && end <= range.end)) continue;
    found.push({ start: Math.max(0, end - MAX_KEY_LENGTH), end, name: 'private-key' });
  }
  return found;
}

function united(ranges: Range[]): Range[] {
  const whole: Range[] = [];
  for (const range of ranges.sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = whole.at(-1);
    if (last === undefined || range.start >= last.end) whole.push({ ...range });
    else last.end = Math.max(last.end, range.end);
  }
  return whole;
}

function withoutSecrets(text: string, from: number, to: number, ranges: readonly Range[]): string {
  let out = '';
  let at = from;
  for (const { start, end, name } of ranges) {
    if (end <= at || start >= to) continue;
    out += `${text.slice(at, Math.max(at, start))}[redacted:${name}]`;
    at = end;
  }
  return at < to ? out + text.slice(at, to) : out;
}

/** What is given out has been seen with as much after it as a secret can need. */
const OVERLAP = MAX_KEY_LENGTH + 4_096;
const WINDOW = 65_536;
/** Words as far before a value as this say what it is. */
const CONTEXT = 1_024;
/** How much before the part that is asked for must be fed so that a secret across its beginning is seen. */
export const CONTEXT_BYTES = OVERLAP;

/**
 * Redacts a text of any length that comes in chunks, in constant memory: a window is given out only up to where
 * what follows can't change it, so that a secret across the border of two chunks is whole when it is looked for.
 */
export class RedactingText {
  private pending = '';
  /** In a secret longer than the window: everything is left out up to the end of the line. */
  private swallowing = false;

  /** `skip`: so many characters at the beginning only serve to see what the rest is. */
  constructor(private skip = 0) {}

  push(chunk: string): string {
    this.pending += this.swallow(chunk);
    let out = '';
    while (this.pending.length > WINDOW + OVERLAP) out += this.next();
    return out;
  }

  /** `cut`: the text goes on, but no more of it is at hand, so its last word may be half a secret. */
  end(cut = false): string {
    const text = this.pending;
    const to = cut ? startOfLastWord(text) : text.length;
    const out = withoutSecrets(text, Math.min(this.skip, to), to, secretsIn(text));
    this.pending = '';
    return to < text.length ? `${out}[cut]` : out;
  }

  private next(): string {
    const text = this.pending;
    const ranges = secretsIn(text);
    const wanted = safeCut(text, text.length - OVERLAP, this.skip);
    const across = ranges.find(({ start, end }) => start < wanted && end > wanted);
    let cut = wanted;
    if (across !== undefined) cut = across.start > this.skip ? across.start : across.end;
    const out = withoutSecrets(text, Math.min(this.skip, cut), cut, ranges);
    const kept = Math.max(0, cut - CONTEXT);
    this.skip = Math.max(this.skip, cut) - kept;
    this.pending = text.slice(kept);
    if (cut === text.length) {
      this.swallowing = true;
      this.pending = '';
      this.skip = 0;
    }
    return out;
  }

  private swallow(text: string): string {
    if (!this.swallowing) return text;
    const end = text.indexOf('\n');
    if (end < 0) return '';
    this.swallowing = false;
    return text.slice(end);
  }
}

/** After the last line's end before `limit`, so that what belongs together stays together. */
function safeCut(text: string, limit: number, from: number): number {
  const line = text.lastIndexOf('\n', limit - 1) + 1;
  return line > from ? line : limit;
}

function startOfLastWord(text: string): number {
  let at = text.length;
  while (at > 0 && !/\s/.test(text.charAt(at - 1))) at -= 1;
  return at;
}
