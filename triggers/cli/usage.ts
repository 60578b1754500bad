import { CommanderError } from 'commander';
import { ConfigError } from '../../domain/environment';

/** What was typed can't be used. Its message lists all that is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** 0 for `--help`, 2 where what was typed or configured is wrong, 1 for everything else. */
export function exitCodeOf(err: unknown): number {
  if (err instanceof CommanderError) return err.exitCode === 0 ? 0 : 2;
  return err instanceof UsageError || err instanceof ConfigError ? 2 : 1;
}
