import type { Line } from './bundle';
import type { Limits } from './limits';

/** Where a collector puts what it found; one item of the job each. */
export interface Sink {
  limits: Limits;
  /** Throws where the bundle may take no more time or memory; asked in every loop. */
  check(): void;
  /** Throws where the bundle is full. */
  line(content: Line): Promise<void>;
  /** Something was left out. */
  cut(why: string): void;
}

/** Gathers one item. What it could not get it says; only the end of the whole bundle makes it throw otherwise. */
export type Collector = (sink: Sink) => Promise<void>;
