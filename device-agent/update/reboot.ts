import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Asks for a restart of the device by a program of it, without a shell; rejects where that says no. */
export function rebootBy([command = '', ...args]: readonly string[]): () => Promise<void> {
  return async () => {
    const child = spawn(command, args, { stdio: 'ignore' });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}`);
  };
}
