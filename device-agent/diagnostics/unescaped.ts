/** A text with its escapes undone, and where each of its characters came from. */
export interface Unescaped {
  text: string;
  /** Where the character at `index` begins in the original; for its length, where the original ends. */
  origin: (index: number) => number;
}

/** Of JSON and most languages, and those that `printable` writes. */
const ESCAPE = /\\(?:[\\nrt"'`/]|u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})/g;
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
/** Strings within strings within strings. */
const MAX_LEVELS = 4;

/**
 * A text as it was before a program wrote it into a string, and before that, for as long as something is escaped:
 * a secret of several lines has `\n` in there, which a rule about lines does not see.
 */
export function* unescaped(text: string): Generator<Unescaped> {
  let inner: Unescaped = { text, origin: (index) => index };
  for (let level = 0; level < MAX_LEVELS; level += 1) {
    const next = once(inner.text);
    if (next === null) return;
    const { origin } = inner;
    inner = { text: next.text, origin: (index) => origin(next.origin(index)) };
    yield inner;
  }
}

function once(text: string): Unescaped | null {
  const pieces: string[] = [];
  // By how much the original is ahead, from each undone escape on.
  const from: number[] = [0];
  const ahead: number[] = [0];
  let read = 0;
  let made = 0;
  for (const { index, 0: escape } of text.matchAll(ESCAPE)) {
    const character = characterOf(escape.slice(1));
    pieces.push(text.slice(read, index), character);
    made += index - read + character.length;
    read = index + escape.length;
    from.push(made);
    ahead.push(read - made);
  }
  if (pieces.length === 0) return null;
  pieces.push(text.slice(read));
  return { text: pieces.join(''), origin: (index) => index + aheadAt(index, from, ahead) };
}

function characterOf(name: string): string {
  const code = /^[ux]\{?([0-9a-fA-F]+)/.exec(name)?.[1];
  if (code === undefined) return CONTROLS[name] ?? name;
  const point = Number.parseInt(code, 16);
  return point <= 0x10_ff_ff ? String.fromCodePoint(point) : name;
}

/** Of the last one that begins at or before it. */
function aheadAt(index: number, from: readonly number[], ahead: readonly number[]): number {
  let low = 0;
  let high = from.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((from[middle] ?? 0) <= index) low = middle;
    else high = middle;
  }
  return ahead[low] ?? 0;
}
