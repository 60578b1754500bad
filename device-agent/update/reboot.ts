import { spawn } from 'node:child_process';
import { once } from 'node:events';

const ANSWER_MS = 60_000;

/** Asks for a restart of the device by a program of it, without a shell; rejects where that says no, or nothing. */
export function rebootBy(
  [command = '', ...args]: readonly string[],
  timeout = ANSWER_MS,
): () => Promise<void> {
  return async () => {
    const child = spawn(command, args, { stdio: 'ignore', timeout, killSignal: 'SIGKILL' });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}`);
  };
}
