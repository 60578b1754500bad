import fc from 'fast-check';

import type { Schema } from './document';

const MAX_ITEMS = 3;
const MAX_TEXT = 300;

/** Values of a JSON Schema. What it can't say by a rule that is known here is left to chance. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
  const choices = (schema['anyOf'] ?? schema['oneOf']) as Schema[] | undefined;
  if (choices !== undefined) return fc.oneof(...choices.map(valuesOf));
  switch (schema['type']) {
    case 'string':
      return textOf(schema);
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'integer':
      return fc.integer();
    case 'boolean':
      return fc.boolean();
    case 'array':
      return listOf(schema);
    case 'object':
      return objectOf(schema);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function textOf(schema: Schema): fc.Arbitrary<string> {
  const { minLength = 0, maxLength = MAX_TEXT, format, pattern } = schema;
  if (format === 'date-time') {
    return fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  }
  const min = Number(minLength);
  const max = Math.min(Number(maxLength), MAX_TEXT);
  const plain = fc.string({ unit: 'grapheme', minLength: min, maxLength: max });
  if (typeof pattern !== 'string') return plain;
  try {
    return fc.stringMatching(new RegExp(pattern), { maxLength: MAX_TEXT });
  } catch {
    return plain;
  }
}

function listOf(schema: Schema): fc.Arbitrary<unknown[]> {
  const first = schema['prefixItems'] as Schema[] | undefined;
  if (first !== undefined) return fc.tuple(...first.map(valuesOf));
  const minLength = Number(schema['minItems'] ?? 0);
  return fc.array(valuesOf((schema['items'] as Schema | undefined) ?? {}), {
    minLength,
    maxLength: Math.max(minLength, MAX_ITEMS),
  });
}

function objectOf(schema: Schema): fc.Arbitrary<object> {
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
  const more = schema['additionalProperties'];
  const known = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, valuesOf(each)])),
    { requiredKeys: (schema['required'] ?? []) as string[] },
  );
  if (typeof more !== 'object' || more === null) return known;
  const names = valuesOf((schema['propertyNames'] as Schema | undefined) ?? { type: 'string' });
  const others = fc.dictionary(names as fc.Arbitrary<string>, valuesOf(more as Schema), {
    maxKeys: MAX_ITEMS,
  });
  return fc.tuple(others, known).map(([one, other]) => ({ ...one, ...other }));
}

const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, 0, -1, 1e308, '', '*', '../x', '\u0000', '\ud800', [], {}),
  fc.constantFrom(['x'], { a: 'b' }, 'x'.repeat(5_000), '9999-12-31T23:59:59-23:59', 'pump-7\n'),
  fc.integer({ min: 1, max: 60 }).map(deep),
  fc.jsonValue({ maxDepth: 3 }),
);
const names = fc.constantFrom('__proto__', 'constructor', 'toString', 'id', '', 'x'.repeat(300));

export type Edit = (value: unknown) => unknown;

/** One way to make a value wrong, somewhere in it. */
const edit: fc.Arbitrary<Edit> = fc
  .tuple(fc.nat(200), fc.constantFrom('replace', 'remove', 'add'), junk, names)
  .map(([at, kind, what, name]) => (value) => {
    const copy: unknown = structuredClone(value);
    const spots = spotsOf(copy);
    const spot = spots[at % Math.max(spots.length, 1)];
    if (spot === undefined) return what;
    const [holder, key] = spot;
    if (kind === 'replace') holder[key] = what;
    else if (kind === 'remove') Reflect.deleteProperty(holder, key);
    else Object.defineProperty(holder, name, { value: what, enumerable: true, configurable: true });
    return copy;
  });
export const edits = fc.array(edit, { maxLength: 3 });

type Holder = Record<string, unknown>;

function spotsOf(value: unknown): [Holder, string][] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [[holder, key], ...spotsOf(holder[key])]);
}
