/**
 * Dimensions of an alarm over one or several metrics, by name. A name with two values names no one thing and is
 * left out. Names like `__proto__` are plain keys here.
 */
export function mergeDimensions(
  pairs: readonly { name: string; value: string }[],
): Record<string, string> {
  const values = new Map<string, string | null>();
  for (const { name, value } of pairs) {
    const seen = values.get(name);
    values.set(name, seen === undefined || seen === value ? value : null);
  }
  return Object.fromEntries(
    [...values].filter((entry): entry is [string, string] => entry[1] !== null),
  );
}
