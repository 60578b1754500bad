import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startChild } from './child';
import { cacheDir, findOnPath, hostEnv } from './host';
import { withLock } from './lock';

/** A set of pinned packages that one purpose needs. */
export interface PythonPackages {
  /** Names its folder in the cache. */
  name: string;
  /** For messages: `the AWS emulator`. */
  purpose: string;
  /** Path of the pip requirements, versions pinned. */
  requirements: string;
}

export interface PythonOptions {
  env?: NodeJS.ProcessEnv;
  log?: (line: string) => void;
}

const EMULATOR: PythonPackages = {
  name: 'emulator',
  purpose: 'the AWS emulator',
  requirements: resolve(__dirname, '..', 'emulator', 'requirements.txt'),
};

const missingPython = (purpose: string): string =>
  `No Python: install Python 3.10 or newer with its venv module (Debian and Ubuntu: apt install python3-venv); ${purpose} needs it.`;

/** The interpreter that runs the AWS emulator. */
export const emulatorPython = (options: PythonOptions = {}): Promise<string> =>
  pythonWith(EMULATOR, options);

/**
 * The interpreter of a virtual environment that holds these packages, made once per version of them in the
 * user's cache. A virtual environment cannot be moved, so it is made in place and a file written last says
 * that it is whole; a half-made one is made again.
 */
export async function pythonWith(
  packages: PythonPackages,
  options: PythonOptions = {},
): Promise<string> {
  const env = options.env ?? hostEnv();
  const log = options.log ?? (() => undefined);
  const python = findOnPath('python3', env);
  if (python === undefined) throw new Error(missingPython(packages.purpose));
  const dir = join(cacheDir(env), `${packages.name}-${requirementsHash(packages, python)}`);
  const complete = join(dir, 'complete');
  const interpreter = join(dir, 'bin', 'python');
  if (existsSync(complete)) return interpreter;
  await withLock(
    `${dir}.lock`,
    async () => {
      if (existsSync(complete)) return;
      await make(packages, python, dir, log);
      await writeFile(`${complete}.new`, '');
      await rename(`${complete}.new`, complete);
    },
    () => log(`Waiting for another process that is setting up ${packages.purpose}`),
  );
  return interpreter;
}

/** The interpreter is part of the key: an environment made by another Python does not run with this one. */
function requirementsHash({ requirements }: PythonPackages, python: string): string {
  const hash = createHash('sha256').update(readFileSync(requirements)).update(python);
  return hash.digest('hex').slice(0, 16);
}

async function make(
  { purpose, requirements }: PythonPackages,
  python: string,
  dir: string,
  log: (line: string) => void,
): Promise<void> {
  log(
    `Setting up ${purpose} in a Python environment of its own: about half a minute, once on this machine`,
  );
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await run('python-venv', python, ['-m', 'venv', dir], missingPython(purpose));
  await run(
    'pip-install',
    join(dir, 'bin', 'python'),
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements],
    `${purpose.charAt(0).toUpperCase()}${purpose.slice(1)} could not be installed from the Python package index.`,
  );
}

async function run(name: string, command: string, args: string[], failure: string): Promise<void> {
  const child = startChild({ name, command, args });
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`${failure}\n${child.tail()}`);
}
