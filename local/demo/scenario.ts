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
