import type { Selector } from '../rollout/types';

/** https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html */
const MAX_TERMS = 12;

/** Fields of the fleet index; what a device says of its version is in its shadow. */
const FIELDS: [keyof Selector, string][] = [
  ['things', 'thingName'],
  ['sites', 'attributes.site'],
  ['hardware', 'attributes.hardware'],
  ['groups', 'thingGroupNames'],
  ['versions', 'shadow.reported.firmware.version'],
];

/** What a value may be: no wildcard, nothing that a query would read as more than a word. */
export const SELECTOR_VALUE = /^[a-zA-Z0-9_-][a-zA-Z0-9._:+-]{0,127}$/;
/** Of one selector: lists multiply, and each query is at least one call. */
export const MAX_QUERIES = 5_000;

/**
 * Queries that together find the devices of a selector, each with at most 12 terms. None for one that is empty, has an empty
 * list, or holds anything but plain values: that means zero devices, never all.
 */
export function queriesOf(selector: Selector, thingType: string): string[] {
  const named = FIELDS.flatMap(([name, field]) => {
    const values = selector[name];
    return values === undefined ? [] : [{ field, values: [...new Set(values)] }];
  });
  const sound = named.every(
    ({ values }) => values.length > 0 && values.every((value) => SELECTOR_VALUE.test(value)),
  );
  if (named.length === 0 || !sound) return [];
  const each = valuesAQuery(named.length);
  const alternatives = named.map(({ field, values }) =>
    chunked(values, each).map((some) => `${field}:${oneOf(some)}`),
  );
  const all = alternatives.reduce<string[][]>(
    (queries, terms) => queries.flatMap((query) => terms.map((term) => [...query, term])),
    [[`thingTypeName:${phrase(thingType)}`]],
  );
  return all.map((terms) => terms.join(' AND '));
}

const valuesAQuery = (fields: number): number => Math.floor((MAX_TERMS - 1) / fields);

/** How many queries `queriesOf` would make, without making them. */
export function countQueries(selector: Selector): number {
  const sizes = FIELDS.flatMap(([name]) => {
    const values = selector[name];
    return values === undefined ? [] : [new Set(values).size];
  });
  const each = valuesAQuery(sizes.length);
  return sizes.reduce((product, size) => product * Math.ceil(size / each), 1);
}

export interface Selectable {
  thing: string;
  attributes: Record<string, string>;
  groups: readonly string[];
  version: string | null;
}

/**
 * Whether a device is one that the selector names. The index finds more than that: it searches without regard to case, and
 * by words of a value.
 */
export function selects(selector: Selector): (device: Selectable) => boolean {
  const tests = FIELDS.flatMap(([name]) => {
    const values = selector[name];
    return values === undefined ? [] : [{ values: new Set(values), of: VALUES[name] }];
  });
  return (device) =>
    tests.length > 0 &&
    tests.every(({ values, of }) => of(device).some((value) => values.has(value)));
}

const VALUES: Record<keyof Selector, (device: Selectable) => readonly string[]> = {
  things: ({ thing }) => [thing],
  sites: ({ attributes }) => valueOf(attributes['site']),
  hardware: ({ attributes }) => valueOf(attributes['hardware']),
  groups: ({ groups }) => groups,
  versions: ({ version }) => valueOf(version),
};
const valueOf = (value: string | null | undefined): string[] => (value == null ? [] : [value]);

const oneOf = (values: string[]): string =>
  values.length === 1 ? values.map(phrase).join('') : `(${values.map(phrase).join(' OR ')})`;

const phrase = (value: string): string => `"${value}"`;

function chunked<T>(values: T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < values.length; from += size)
    chunks.push(values.slice(from, from + size));
  return chunks;
}
