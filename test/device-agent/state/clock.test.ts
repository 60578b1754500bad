import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Clock } from '../../../device-agent/state/clock';

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const START = Date.parse('2026-06-01T00:00:00Z');
let folder: string;
let system: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clock-'));
  system = START;
});

afterEach(() => {
  jest.useRealTimers();
});

const clock = (): Clock => new Clock(folder, () => system);
const file = (): string => join(folder, 'clock.json');
const kept = (): string =>
  (JSON.parse(readFileSync(file(), 'utf8')) as { lastKnown: string }).lastKnown;

describe('the time that expiry is judged by', () => {
  it('is the system’s while that runs forwards', () => {
    const now = clock();
    expect(now.now().getTime()).toBe(START);
    system += 3 * DAY;
    expect(now.now().getTime()).toBe(START + 3 * DAY);
    expect(now.behind).toBe(false);
  });

  it('stays where it was when the clock is set back, over a restart, too', () => {
    const before = clock();
    before.now();
    system = 0;
    expect(before.now().getTime()).toBe(START);
    const after = clock();
    expect(after.behind).toBe(true);
    expect(after.now().getTime()).toBe(START);
    // Positive control: once the clock has been set right it counts again.
    system = START + DAY;
    expect(after.now().getTime()).toBe(START + DAY);
  });

  it('is kept although nobody asks for it, until it is stopped', () => {
    jest.useFakeTimers();
    const keeping = clock();
    keeping.keep();
    expect(kept()).toBe(new Date(START).toISOString());
    const pass = (minutes: number): void => {
      system += minutes * MINUTE;
      jest.advanceTimersByTime(minutes * MINUTE);
    };
    pass(9);
    expect(kept()).toBe(new Date(START).toISOString());
    pass(1);
    expect(kept()).toBe(new Date(START + 10 * MINUTE).toISOString());
    keeping.stop();
    pass(60);
    expect(kept()).toBe(new Date(START + 10 * MINUTE).toISOString());
  });

  it('goes to disk every ten minutes and no more often', () => {
    const now = clock();
    now.now();
    const first = statSync(file()).ino;
    for (let minute = 1; minute < 10; minute += 1) {
      system += MINUTE;
      now.now();
    }
    expect(statSync(file()).ino).toBe(first);
    system += MINUTE;
    now.now();
    expect(kept()).toBe(new Date(START + 10 * MINUTE).toISOString());
  });

  it.each([2 * DAY, 9 * 365 * DAY])('remembers no leap of %d ms that is taken back', (leap) => {
    const now = clock();
    now.now();
    system = START + leap;
    expect(now.now().getTime()).toBe(system);
    system = START + MINUTE;
    expect(now.now().getTime()).toBe(system);
    expect(clock().now().getTime()).toBe(system);
  });

  it('remembers a leap that has held for a day of running', () => {
    let uptime = 0;
    const now = new Clock(
      folder,
      () => system,
      undefined,
      () => uptime,
    );
    now.now();
    // Weeks without power: the time is right, and is judged by at once.
    system = START + 30 * DAY;
    expect(now.now().getTime()).toBe(system);
    uptime = DAY - 1;
    system += DAY - 1;
    now.now();
    expect(kept()).toBe(new Date(START).toISOString());
    uptime = DAY;
    system += 1;
    now.now();
    expect(kept()).toBe(new Date(system).toISOString());
  });

  it.each(['', '{', '{"lastKnown":"yesterday"}', '[]'])(
    'starts anew from a damaged file: %j',
    (text) => {
      writeFileSync(file(), text);
      expect(clock().now().getTime()).toBe(START);
      expect(kept()).toBe(new Date(START).toISOString());
    },
  );

  it('runs on where the disk refuses it', () => {
    const now = new Clock(join('/dev/null', 'state'), () => system);
    expect(now.now().getTime()).toBe(START);
    expect(now.save()).toMatch(/ENOTDIR|EEXIST/);
    system = 0;
    expect(now.now().getTime()).toBe(START);
  });
});
