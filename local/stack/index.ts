import { messageOf } from './errors';
import { startEmulator, type Emulator, type EmulatorOptions } from './emulator';
import { startTemporal, type TemporalServer } from './temporal';

export interface StackOptions {
  /** Where logs, certificate authorities and the Temporal database are kept; temporary and in memory without it. */
  dir?: string;
  emulator?: Omit<EmulatorOptions, 'dir' | 'log'>;
  log?: (line: string) => void;
}

export interface Stack {
  temporal: TemporalServer;
  emulator: Emulator;
  /** Stops both; safe to call more than once. */
  stop(): Promise<void>;
}

/** Starts a Temporal server and the AWS emulator side by side, on ports of their own; if one fails the other is stopped. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const shared = {
    ...(options.dir !== undefined && { dir: options.dir }),
    ...(options.log !== undefined && { log: options.log }),
  };
  const [temporal, emulator] = await Promise.allSettled([
    startTemporal(shared),
    startEmulator({ ...options.emulator, ...shared }),
  ]);
  if (temporal.status === 'fulfilled' && emulator.status === 'fulfilled') {
    const stop = async () => {
      await Promise.all([temporal.value.stop(), emulator.value.stop()]);
    };
    return { temporal: temporal.value, emulator: emulator.value, stop };
  }
  const started = [temporal, emulator].filter((each) => each.status === 'fulfilled');
  await Promise.all(started.map((each) => each.value.stop()));
  const failed = [temporal, emulator].filter((each) => each.status === 'rejected');
  throw new AggregateError(
    failed.map((each): unknown => each.reason),
    failed.map((each) => messageOf(each.reason)).join('\n'),
  );
}
