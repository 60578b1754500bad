import type { BadBuild } from './firmware';

export interface ScenarioIo {
  write(line: string): void;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Keep everything running after the story until the signal. */
  stayUp: boolean;
}

/** What may be asked of a scenario on the command line. */
export interface ScenarioOptions {
  devices?: number;
  badBuild?: BadBuild;
}

export interface Scenario {
  about: string;
  /** Of the options, those that it takes; it refuses the others. */
  takes?: readonly (keyof ScenarioOptions)[];
  run(io: ScenarioIo, options: ScenarioOptions): Promise<{ scenario: string; ok: boolean }>;
}

/** Until Ctrl-C. */
export async function stayUp(io: ScenarioIo, notice: string): Promise<void> {
  io.write(notice);
  await new Promise((resolve) => {
    io.signal.addEventListener('abort', resolve, { once: true });
    if (io.signal.aborted) resolve(undefined);
  });
}
