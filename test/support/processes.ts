import { join } from 'node:path';
import { startChild, type Child } from '../../local/stack/child';

const REPOSITORY = join(__dirname, '../..');

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a `main.ts` to its end, as `npm run` does after its own checks. */
export async function runMain(
  main: string,
  args: string[],
  env: Record<string, string>,
): Promise<Outcome> {
  const lines = { stdout: '', stderr: '' };
  const child = startChild({
    name: main,
    command: process.execPath,
    args: ['--import', 'tsx', main, ...args],
    cwd: REPOSITORY,
    env,
    onLine: (line, stream) => {
      lines[stream] += `${line}\n`;
    },
  });
  const { code } = await child.exited;
  return { code, ...lines };
}

/** Starts a `main.ts` and returns once it prints a line that starts so. */
export async function readyProcess(
  main: string,
  readyLine: string,
  env: Record<string, string>,
): Promise<Child> {
  let ready: (answer: 'ready') => void = () => undefined;
  const isReady = new Promise<'ready'>((resolve) => (ready = resolve));
  const child = startChild({
    name: main,
    command: process.execPath,
    args: ['--import', 'tsx', main],
    cwd: REPOSITORY,
    env,
    onLine: (line) => {
      if (line.startsWith(readyLine)) ready('ready');
    },
  });
  if ((await Promise.race([isReady, child.exited])) !== 'ready')
    throw new Error(`${main} did not start:\n${child.tail()}`);
  return child;
}

/** The last line of standard output, which `--json` makes one object. */
export function lastJson({ stdout, stderr }: Outcome): Record<string, unknown> {
  const value: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  if (typeof value !== 'object' || value === null) throw new Error(`no object: ${stdout}${stderr}`);
  return { ...value };
}
