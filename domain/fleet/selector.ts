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
export const SELECTOR_VALUE = /^[a-zA-Z0-9][a-zA-Z0-9._:+-]{0,127}$/;

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
  const each = Math.floor((MAX_TERMS - 1) / named.length);
  const alternatives = named.map(({ field, values }) =>
    chunked(values, each).map((some) => `${field}:${oneOf(some)}`),
  );
  const all = alternatives.reduce<string[][]>(
    (queries, terms) => queries.flatMap((query) => terms.map((term) => [...query, term])),
    [[`thingTypeName:${phrase(thingType)}`]],
  );
  return all.map((terms) => terms.join(' AND '));
}

const oneOf = (values: string[]): string =>
  values.length === 1 ? values.map(phrase).join('') : `(${values.map(phrase).join(' OR ')})`;

const phrase = (value: string): string => `"${value}"`;

function chunked<T>(values: T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < values.length; from += size)
    chunks.push(values.slice(from, from + size));
  return chunks;
}
