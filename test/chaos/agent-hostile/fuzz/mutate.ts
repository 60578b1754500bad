import type { Random } from '../random';

/** JSON texts that stand in for a value; some have no value that JavaScript could write. */
const RAW: readonly string[] = [
  'null',
  'true',
  '-1',
  '0',
  '-0',
  '1.5',
  '1e308',
  '1e999',
  '-1e999',
  '9007199254740993',
  '123456789012345678901234567890',
  '""',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202e"',
  '"../../escape"',
  '"/etc/passwd"',
  '"__proto__"',
  '"constructor"',
  '"${jndi:ldap://x}"',
  '"$(touch escape)"',
  '"`touch escape`"',
  '"1970-01-01T00:00:00Z"',
  '"9999-99-99"',
  '[]',
  '{}',
  '[[[[[[]]]]]]',
  '{"__proto__":{"admitted":true}}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"toString":1,"valueOf":2}',
  '{"length":4294967295}',
];

const KEYS = ['__proto__', 'constructor', 'toString', '', 'operation', 'version', 'signed', '\0'];
const MARK = '\u0001mutated';

/** Another text near this one: another value, key or order, or other bytes. */
export function mutate(random: Random, text: string): string {
  let mutated = text;
  const times = random.chance(0.7) ? 1 : 2 + random.below(3);
  for (let time = 0; time < times; time += 1) {
    mutated = random.chance(0.65) ? mutateJson(random, mutated) : mutateText(random, mutated);
  }
  return mutated;
}

/** What is no JSON any more, or too deep to be written out again, is taken as a text. */
function mutateJson(random: Random, text: string): string {
  try {
    return mutateValue(random, JSON.parse(text));
  } catch {
    return mutateText(random, text);
  }
}

interface Place {
  holder: Record<string, unknown>;
  key: string;
}

function mutateValue(random: Random, value: unknown): string {
  const root = { root: value };
  const places: Place[] = [];
  collect(root, places, 0);
  const { holder, key } = random.pick(places);
  const raw = change(random, holder, key);
  const changed = JSON.stringify(root.root) as string | undefined;
  return (changed ?? 'null').replaceAll(`"${JSON.stringify(MARK).slice(1, -1)}"`, () => raw);
}

function collect(holder: object, places: Place[], depth: number): void {
  for (const [key, value] of Object.entries(holder)) {
    places.push({ holder: holder as Record<string, unknown>, key });
    if (typeof value === 'object' && value !== null && depth < 12)
      collect(value as object, places, depth + 1);
    if (places.length > 300) return;
  }
}

/** Puts the mark where the text that is returned belongs. */
function change(random: Random, holder: Record<string, unknown>, key: string): string {
  const old = JSON.stringify(holder[key]) as string | undefined;
  const kept = old ?? 'null';
  switch (random.below(8)) {
    case 0:
      if (key !== 'root') Reflect.deleteProperty(holder, key);
      return '';
    case 1:
      define(holder, random.pick(KEYS), holder[key]);
      return '';
    case 2:
      holder[key] = MARK;
      return `[${kept}]`;
    case 3:
      holder[key] = MARK;
      // The same key once more, of which the last counts.
      return `${random.pick(RAW)},${JSON.stringify(key)}:${random.pick([kept, random.pick(RAW)])}`;
    case 4:
      holder[key] = MARK;
      return nested(random, kept);
    case 5:
      holder[key] = typeof holder[key] === 'number' ? holder[key] + random.below(5) - 2 : MARK;
      return JSON.stringify('x'.repeat(random.below(3_000)));
    default:
      holder[key] = MARK;
      return random.pick(RAW);
  }
}

const define = (holder: object, key: string, value: unknown): boolean =>
  Reflect.defineProperty(holder, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });

function nested(random: Random, text: string): string {
  const depth = random.chance(0.01) ? 10_000 : 1 + random.below(60);
  const [open, close] = random.pick([
    ['[', ']'],
    ['{"signed":', '}'],
  ] as const);
  return `${open.repeat(depth)}${text}${close.repeat(depth)}`;
}

function mutateText(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  const length = random.below(12);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  switch (random.below(7)) {
    case 0:
      return before;
    case 1:
      return after;
    case 2:
      return `${before}${after.slice(1 + length)}`;
    case 3:
      return `${before}${String.fromCharCode(random.below(random.chance(0.9) ? 128 : 65_536))}${after}`;
    case 4:
      return `${before}${after.slice(0, length)}${after}`;
    case 5:
      return `${before}${'\0'.repeat(1 + length)}${after.slice(1 + length)}`;
    default:
      return `${before}${String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(7)))}${after.slice(1)}`;
  }
}
