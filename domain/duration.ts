import type { DurationSetting } from './runbook';

const UNIT_MS = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
} as const;

type Unit = keyof typeof UNIT_MS;
const UNITS = Object.keys(UNIT_MS) as Unit[];
const PATTERN = new RegExp(`^(\\d{1,9}) (${UNITS.join('|')})s?$`);

export const DURATION_EXAMPLES = '`30 minutes` or `4 hours`';

/** Milliseconds of a duration such as `30 minutes`; null where it is not one. Whole numbers, one unit. */
export function parseDuration(text: string): number | null {
  const match = PATTERN.exec(text);
  if (match === null) return null;
  return Number(match[1]) * UNIT_MS[match[2] as Unit];
}

/** The same in the largest unit that divides it, so that it can be typed back in. */
export function formatDuration(ms: number): string {
  const unit = [...UNITS].reverse().find((name) => ms !== 0 && ms % UNIT_MS[name] === 0);
  const name = unit ?? 'millisecond';
  const count = ms / UNIT_MS[name];
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** What is wrong with a duration that was typed for a setting; null where nothing is. */
export function durationProblem(
  ms: number | null,
  { minMs, maxMs }: DurationSetting,
): string | null {
  if (ms === null) return `must be a duration such as ${DURATION_EXAMPLES}`;
  if (ms >= minMs && ms <= maxMs) return null;
  return `must be within ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
}
