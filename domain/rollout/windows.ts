import { WEEKDAYS, type Weekday, type Window } from './types';

const MINUTES_OF_DAY = 24 * 60;
const MINUTE_MS = 60_000;
/** A window that is closed longer than this never opens: days come again after a week, and a clock may be put forward. */
const LOOK_AHEAD_MINUTES = 9 * MINUTES_OF_DAY;

export const isTimezone = (name: string): boolean => {
  try {
    formatter(name);
    return true;
  } catch {
    return false;
  }
};

/** By the device's own clock; an unknown time zone counts as UTC. Ends are not within. */
export function isOpen(window: Window, timezone: string | undefined, at: number): boolean {
  const { minute, day } = localTime(timezone, at);
  const from = minuteOf(window.from);
  const to = minuteOf(window.to);
  const overMidnight = to <= from;
  if (minute >= from && (overMidnight || minute < to)) return beginsOn(window, day);
  return overMidnight && minute < to && beginsOn(window, before(day));
}

/** When it opens next, or now where it is open; epoch milliseconds, to the minute. */
export function nextOpening(window: Window, timezone: string | undefined, at: number): number {
  if (isOpen(window, timezone, at)) return at;
  const start = Math.floor(at / MINUTE_MS) * MINUTE_MS;
  let minutes = 0;
  while (minutes < LOOK_AHEAD_MINUTES) {
    const time = start + minutes * MINUTE_MS;
    if (minutes > 0 && isOpen(window, timezone, time)) return time;
    minutes += stepTo(window, timezone, time);
  }
  return start + LOOK_AHEAD_MINUTES * MINUTE_MS;
}

/** Straight to the minute of the day at which it may open, but never over a change of the clock, which is on the hour or half. */
function stepTo(window: Window, timezone: string | undefined, time: number): number {
  const { minute } = localTime(timezone, time);
  const ahead = (minuteOf(window.from) - minute + MINUTES_OF_DAY) % MINUTES_OF_DAY;
  return Math.min(ahead === 0 ? 1 : ahead, 15 - (minute % 15));
}

const beginsOn = ({ days }: Window, day: Weekday): boolean => days?.includes(day) ?? true;

const before = (day: Weekday): Weekday =>
  WEEKDAYS[(WEEKDAYS.indexOf(day) + WEEKDAYS.length - 1) % WEEKDAYS.length] ?? day;

const minuteOf = (time: string): number => {
  const [hours = '0', minutes = '0'] = time.split(':');
  return Number(hours) * 60 + Number(minutes);
};

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(timezone: string): Intl.DateTimeFormat {
  const known = formatters.get(timezone);
  if (known !== undefined) return known;
  const options = {
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  } as const;
  const made = new Intl.DateTimeFormat('en-US', { ...options, timeZone: timezone });
  formatters.set(timezone, made);
  return made;
}

function localTime(timezone: string | undefined, at: number): { minute: number; day: Weekday } {
  const zone = timezone !== undefined && isTimezone(timezone) ? timezone : 'UTC';
  const parts = formatter(zone).formatToParts(at);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? '';
  const day = part('weekday').toLowerCase();
  return {
    minute: Number(part('hour')) * 60 + Number(part('minute')),
    day: WEEKDAYS.find((each) => each === day) ?? 'mon',
  };
}
