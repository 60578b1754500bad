export interface ScenarioIo {
  write(line: string): void;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Keep everything running after the story until the signal. */
  stayUp: boolean;
}

export interface Scenario {
  about: string;
  run(io: ScenarioIo): Promise<{ scenario: string; ok: boolean }>;
}

/** Until Ctrl-C. */
export async function stayUp(io: ScenarioIo, notice: string): Promise<void> {
  io.write(notice);
  await new Promise((resolve) => {
    io.signal.addEventListener('abort', resolve, { once: true });
    if (io.signal.aborted) resolve(undefined);
  });
}
