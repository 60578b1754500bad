import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until the condition is met; throws where that takes a minute or the demo is interrupted. */
export type Until = (what: string, met: () => boolean | Promise<boolean>) => Promise<void>;

const PATIENCE_MS = 60_000;
const LOOK_MS = 50;

export const createUntil =
  (signal: AbortSignal): Until =>
  async (what, met) => {
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await met())) {
      if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS / 1000} s for ${what}`);
      await pause(LOOK_MS, signal);
    }
  };

export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => {
    throw new Error('interrupted');
  });
