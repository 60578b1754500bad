/**
 * Resource and action patterns. `*` is any run of characters, `/` included; `?` is any one. MQTT's `+` and `#`
 * are ordinary characters here:
 * https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html
 */
type Token = { kind: 'literal'; char: string } | { kind: 'one' } | { kind: 'many' };
export type Glob = readonly Token[];

export const MANY: Glob = [{ kind: 'many' }];

export const literalGlob = (text: string): Glob =>
  Array.from(text, (char): Token => ({ kind: 'literal', char }));

export const glob = (pattern: string): Glob =>
  Array.from(pattern, (char): Token => {
    if (char === '*') return { kind: 'many' };
    if (char === '?') return { kind: 'one' };
    return { kind: 'literal', char };
  });

/** Positions that a match can have reached, ascending; empty when it has failed. */
type Reached = readonly number[];

/** Adds the positions that `many` reaches by matching nothing. */
function settle(pattern: Glob, positions: Iterable<number>): Reached {
  const reached = new Set<number>();
  for (const start of positions) {
    let at = start;
    reached.add(at);
    while (pattern[at]?.kind === 'many') reached.add(++at);
  }
  return [...reached].sort((a, b) => a - b);
}

const begin = (pattern: Glob): Reached => settle(pattern, [0]);

function step(pattern: Glob, reached: Reached, char: string): Reached {
  const next: number[] = [];
  for (const at of reached) {
    const token = pattern[at];
    if (token === undefined) continue;
    if (token.kind === 'many') next.push(at);
    else if (token.kind === 'one' || token.char === char) next.push(at + 1);
  }
  return next.length === 0 ? next : settle(pattern, next);
}

const accepts = (pattern: Glob, reached: Reached): boolean => reached.includes(pattern.length);

export function globMatches(pattern: Glob, text: string): boolean {
  let reached = begin(pattern);
  for (const char of text) {
    if (reached.length === 0) return false;
    reached = step(pattern, reached, char);
  }
  return accepts(pattern, reached);
}

/** Nothing can follow that such a pattern would not match. */
const acceptsForGood = (pattern: Glob, reached: Reached): boolean =>
  accepts(pattern, reached) && pattern.at(-1)?.kind === 'many';

export type Containment =
  | { covered: true }
  /** `witness` matches all of `required` and none of `covers`; null when the search was cut short. */
  | { covered: false; witness: string | null };

const MOST_STATES = 20_000;

/**
 * Is every text that matches all of `required` matched by at least one of `covers`? Exact: a breadth-first walk
 * of the product of the patterns' automata, so the witness is a shortest one. Past `MOST_STATES` it gives up and
 * answers "not covered", which is the safe side.
 */
export function containment(required: readonly Glob[], covers: readonly Glob[]): Containment {
  const whole = [...required, ...covers];
  const prefix = commonPrefix(whole);
  const patterns = whole.map((pattern) => pattern.slice(Array.from(prefix).length));
  const other = unnamedCharacter(patterns);
  const seen = new Set<string>();
  let frontier = [{ text: prefix, reached: patterns.map(begin) }];
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { text, reached } of frontier) {
      if (isWitness(patterns, reached, required.length)) return { covered: false, witness: text };
      for (const char of candidates(patterns, reached, required.length, other)) {
        const state = advance(patterns, reached, required.length, char);
        if (state === null) continue;
        const key = state.map((positions) => positions.join(',')).join(';');
        if (seen.has(key)) continue;
        if (seen.size === MOST_STATES) return { covered: false, witness: null };
        seen.add(key);
        next.push({ text: text + char, reached: state });
      }
    }
    frontier = next;
  }
  return { covered: true };
}

/** ARNs share most of their characters: what all patterns begin with is not worth walking. */
function commonPrefix(patterns: readonly Glob[]): string {
  let prefix = '';
  for (let at = 0; ; at++) {
    const tokens = patterns.map((pattern) => pattern[at]);
    const [first] = tokens;
    if (first?.kind !== 'literal') return prefix;
    if (!tokens.every((token) => token?.kind === 'literal' && token.char === first.char)) {
      return prefix;
    }
    prefix += first.char;
  }
}

function isWitness(
  patterns: readonly Glob[],
  reached: readonly Reached[],
  required: number,
): boolean {
  return patterns.every((pattern, i) => accepts(pattern, reached[i] ?? []) === i < required);
}

/**
 * The characters worth trying next: those that a pattern waits for, and one that stands for every other. Where a
 * required pattern stands at literals only, nothing else can follow.
 */
function candidates(
  patterns: readonly Glob[],
  reached: readonly Reached[],
  required: number,
  other: string,
): Iterable<string> {
  const all = new Set([other]);
  for (const [i, pattern] of patterns.entries()) {
    const tokens = (reached[i] ?? []).flatMap((at) => pattern[at] ?? []);
    const chars = tokens.flatMap((token) => (token.kind === 'literal' ? token.char : []));
    if (i < required && chars.length === tokens.length) return new Set(chars);
    for (const char of chars) all.add(char);
  }
  return all;
}

/** null: no text with this beginning can be a witness. */
function advance(
  patterns: readonly Glob[],
  reached: readonly Reached[],
  required: number,
  char: string,
): Reached[] | null {
  const state: Reached[] = [];
  for (const [i, pattern] of patterns.entries()) {
    const positions = step(pattern, reached[i] ?? [], char);
    if (i < required && positions.length === 0) return null;
    if (i >= required && acceptsForGood(pattern, positions)) return null;
    state.push(positions);
  }
  return state;
}

/** A character that no pattern names, so that all such behave alike. */
function unnamedCharacter(patterns: readonly Glob[]): string {
  const named = new Set<string>();
  for (const pattern of patterns) {
    for (const token of pattern) if (token.kind === 'literal') named.add(token.char);
  }
  const readable = Array.from('xyzqwjkXYZQWJK0123456789').find((char) => !named.has(char));
  if (readable !== undefined) return readable;
  let code = 0x4e00;
  while (named.has(String.fromCharCode(code))) code++;
  return String.fromCharCode(code);
}
