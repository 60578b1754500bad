import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { pythonWith, type PythonOptions } from '../../local/stack/python-env';

/** The interpreter that has python-tuf; `npm test` sets it up before the first test needs it. */
export const pythonTuf = (options: PythonOptions = {}): Promise<string> =>
  pythonWith(
    {
      name: 'python-tuf',
      purpose: 'python-tuf',
      requirements: join(__dirname, 'python-tuf-requirements.txt'),
    },
    options,
  );

const failure = z.strictObject({ error: z.string() });
const downloaded = z.strictObject({ path: z.string(), sha256: z.string(), custom: z.unknown() });
const made = z.strictObject({
  /** What a device is shipped with. */
  rootFile: z.string(),
  /** To be served as the metadata and the targets URL. */
  metadataDir: z.string(),
  targetsDir: z.string(),
});

export interface PythonDownload {
  rootFile: string;
  metadataUrl: string;
  targetsUrl: string;
  target: string;
  /** Keeps the client's metadata between calls, as a device does. */
  dir: string;
}

/** What python-tuf's client makes of a repository: the artifact, or the error that it refuses with. */
export async function downloadWithPythonTuf(
  request: PythonDownload,
): Promise<z.infer<typeof downloaded> | z.infer<typeof failure>> {
  return z.union([downloaded, failure]).parse(await call({ command: 'download', ...request }));
}

export interface PythonTarget {
  name: string;
  /** Path of the artifact. */
  file: string;
  custom: unknown;
}

/**
 * A repository made by python-tuf alone: root 2 of 3 and targets 2 of 2 by Ed25519, snapshot by RSA, timestamp by
 * ECDSA, consistent snapshots, hash-prefixed targets.
 */
export async function makePythonRepository(
  dir: string,
  targets: readonly PythonTarget[],
  { expiresDays = 1 }: { expiresDays?: number } = {},
): Promise<z.infer<typeof made>> {
  return made.parse(await call({ command: 'make', dir, targets, expiresDays }));
}

async function call(request: object): Promise<unknown> {
  const python = await pythonTuf();
  const script = join(__dirname, 'python-tuf.py');
  const { stdout } = await promisify(execFile)(python, [script, JSON.stringify(request)], {
    timeout: 60_000,
  });
  return JSON.parse(stdout);
}
