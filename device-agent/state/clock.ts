import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseJson, problemOf } from '../errors';
import { writeFileAtomically } from './atomic-file';

const clockFile = z.object({ lastKnown: z.iso.datetime() });

const SAVE_EVERY_MS = 600_000;
const DAY_MS = 86_400_000;
/** A step ahead beyond this is remembered only once it has held for as long: it may be a fault of the time source. */
const MAX_LEAP_MS = DAY_MS;
const HELD_FOR_MS = DAY_MS;

/**
 * A time that never runs backwards over restarts, for what expires: a device without a battery for its clock
 * boots in 1970, or where someone set it, and would take metadata that has long expired. Kept on disk every ten
 * minutes, so that a clock set back wins an attacker at most that. A leap of more than a day counts at once, and is remembered after
 * a day of running. Only this device's own clock feeds it: neither
 * the `Date` of an HTTP answer nor the time in a TLS handshake is signed for the device, and one that is far ahead
 * would end updates for good. A disk that refuses the file costs the memory over a restart, nothing else.
 */
export class Clock {
  private readonly path: string;
  private lastKnown: number;
  private savedAt: number | null = null;
  private timer: NodeJS.Timeout | null = null;
  /** Uptime at which the clock was first seen to have leapt ahead. */
  private leaptAt: number | null = null;

  constructor(
    folder: string,
    private readonly systemTime: () => number = Date.now,
    private readonly write: (path: string, content: string) => void = writeFileAtomically,
    private readonly uptimeMs: () => number = () => performance.now(),
  ) {
    this.path = join(folder, 'clock.json');
    this.lastKnown = readLastKnown(this.path);
  }

  /** The system's clock, or the last known time where that is later. */
  now(): Date {
    const system = this.systemTime();
    if (this.isToRemember(system)) this.lastKnown = Math.max(this.lastKnown, system);
    if (this.savedAt === null || this.lastKnown - this.savedAt >= SAVE_EVERY_MS) this.save();
    return new Date(Math.max(this.lastKnown, system));
  }

  /** One false leap ahead must not make everything expired for good; a device that was off for weeks leaps, too. */
  private isToRemember(system: number): boolean {
    const leapt = this.lastKnown > 0 && system - this.lastKnown > MAX_LEAP_MS;
    if (leapt) this.leaptAt ??= this.uptimeMs();
    const held = this.leaptAt !== null && this.uptimeMs() - this.leaptAt >= HELD_FOR_MS;
    if (!leapt || held) this.leaptAt = null;
    return !leapt || held;
  }

  /** Months may pass in which nobody asks for the time, and it is to be known after a power cut all the same. */
  keep(): void {
    this.now();
    this.timer ??= setInterval(() => this.now(), SAVE_EVERY_MS).unref();
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Whether the system's clock is behind what this device has seen. */
  get behind(): boolean {
    return this.systemTime() < this.lastKnown;
  }

  /** What is wrong, or null. */
  save(): string | null {
    const lastKnown = new Date(this.lastKnown).toISOString();
    // Where it fails, too: a disk that refuses is not asked again with every reading.
    this.savedAt = this.lastKnown;
    return problemOf(() => this.write(this.path, JSON.stringify({ lastKnown })));
  }
}

/** 0 where there is none; a damaged file is no reason not to run. */
function readLastKnown(path: string): number {
  let text = '';
  if (problemOf(() => (text = readFileSync(path, 'utf8'))) !== null) return 0;
  const parsed = clockFile.safeParse(parseJson(text));
  return parsed.success ? Date.parse(parsed.data.lastKnown) : 0;
}
