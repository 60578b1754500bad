import { homedir } from 'node:os';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** This process's environment: read here alone, outside `main.ts`, and only to find programs and the user's cache. */
export function hostEnv(): NodeJS.ProcessEnv {
  return process.env;
}

/** Where the user's own cache lives; what is made once (server, Python environment, device keys) goes there. */
export function cacheDir(env: NodeJS.ProcessEnv = hostEnv()): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base !== undefined && base !== '' ? base : join(homedir(), '.cache'), 'iot-runbooks');
}

/** The executable of this name that the shell would run, or undefined. */
export function findOnPath(name: string, env: NodeJS.ProcessEnv = hostEnv()): string | undefined {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, name))
    .find(isExecutable);
}

/** This process's environment with some variables set, for a child. */
export function childEnv(overrides: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...hostEnv(), ...overrides };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
