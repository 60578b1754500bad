import { readFileSync } from 'node:fs';

/** The smallest value with at least this share of the values at or below it (nearest rank). Throws on no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error('there is no quantile of nothing');
  return value;
}

/** The mean of the two middle values where their number is even. Throws on no values. */
export function median(values: readonly number[]): number {
  const upper = quantile(
    values.map((value) => -value),
    0.5,
  );
  return (quantile(values, 0.5) - upper) / 2;
}

export function round(value: number, digits = 0): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}

/** Calls by operation, most frequent first. */
export function countByOperation(calls: readonly { operation: string }[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { operation } of calls) counts.set(operation, (counts.get(operation) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

/** Resident memory of a process in KiB; 0 where the system does not tell (it does on Linux). */
export function residentKb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
