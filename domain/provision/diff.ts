import type { Difference, Fields, ResourcePlan } from './types';

/** The same value gives the same text, whatever the order of its keys. */
export function canonical(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(sorted(value));
}

/** Text that holds JSON, such as a policy document, in canonical form; anything else as it is. */
export function canonicalJson(text: string): string {
  try {
    return canonical(JSON.parse(text) as unknown);
  } catch {
    return text;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}

/** `mends`: fields that can't be changed in place, and how a person changes them. Fields not desired are left alone. */
export function planResource(
  subject: { kind: string; name: string; mends?: Fields },
  desired: Fields,
  current: Fields | null,
): ResourcePlan {
  const { kind, name, mends = {} } = subject;
  const differences = Object.entries(desired)
    .filter(([field, value]) => current?.[field] !== value)
    .map(([field, value]): Difference => {
      const mend = current === null ? undefined : mends[field];
      return {
        field,
        current: current?.[field] ?? null,
        desired: value,
        ...(mend !== undefined && { mend }),
      };
    });
  if (current === null) return { kind, name, action: 'create', differences };
  if (differences.length === 0) return { kind, name, action: 'ok', differences };
  const fixed = differences.some(({ mend }) => mend !== undefined);
  return { kind, name, action: fixed ? 'conflict' : 'update', differences };
}
