import { CommanderError } from 'commander';
import { ConfigError } from '../../domain/environment';

/** What was typed can't be used. Its message lists all that is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** 0 for `--help`, 2 where what was typed or configured is wrong, 1 for everything else. */
function exitCodeOf(err: unknown): number {
  if (err instanceof CommanderError) return err.exitCode === 0 ? 0 : 2;
  return err instanceof UsageError || err instanceof ConfigError ? 2 : 1;
}

/** Tells why a command failed, as JSON too where that was asked for, and sets its exit code. */
export function reportFailure(
  err: unknown,
  json: boolean,
  to: Pick<NodeJS.Process, 'stdout' | 'stderr' | 'exitCode'>,
): void {
  if (err instanceof CommanderError && err.exitCode === 0) return;
  const message = err instanceof Error ? err.message : String(err);
  to.exitCode = exitCodeOf(err);
  // Commander has told its own errors already.
  if (!(err instanceof CommanderError)) to.stderr.write(`${message}\n`);
  if (json) to.stdout.write(`${JSON.stringify({ ok: false, error: message })}\n`);
}
