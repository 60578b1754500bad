import { execFile } from 'node:child_process';
import type { Bed } from './bed';

export interface BreakGlassAnswer {
  ok: boolean;
  progress: string;
}

/** The command as a person types it, without Temporal. */
export function breakGlass(
  bed: Bed,
  args: string[],
  env: Record<string, string> = {},
): Promise<BreakGlassAnswer> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', 'triggers/cli/break-glass/main.ts', ...args, '--json'],
      { env: { ...process.env, ...bed.awsEnvironment, TEMPORAL_ADDRESS: '127.0.0.1:1', ...env } },
      (_, stdout, stderr) => {
        const { ok } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { ok: boolean };
        resolve({ ok, progress: stderr });
      },
    );
  });
}
