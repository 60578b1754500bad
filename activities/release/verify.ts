import { createServer, type Server } from 'node:http';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Updater } from 'tuf-js';
import { TARGET_NAME } from '../../domain/device-protocol/release-target';
import { ConfigError } from '../../domain/environment';
import { hasCode, messageOf, ReleaseError } from './errors';
import {
  daysLeft,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  type Role,
} from './metadata';
import { highestOf, releasesOf, type Highest, type Release } from './releases';
import type { ReleaseStore } from './store';

export interface VerifyInput {
  /** The root that devices were shipped with. */
  rootFile: string;
  from: ReleaseStore | { url: string };
  /** Fetches every artifact, too. */
  artifacts: boolean;
  nowMs: number;
  progress: (line: string) => void;
}

export interface VerifyResult {
  releases: Release[];
  highest: Highest;
  metadata: Record<Role, { version: number; expires: string; daysLeft: number }>;
}

/** Fetches and verifies as a device would, by tuf-js, from nothing but the root that it was shipped with. */
export async function verifyRepository(input: VerifyInput): Promise<VerifyResult> {
  const root = await readFile(input.rootFile).catch((err: unknown) => {
    if (hasCode(err, 'ENOENT')) throw new ConfigError(`--root: there is no file ${input.rootFile}`);
    throw err;
  });
  parseRoot(root, input.rootFile);
  const dir = await mkdtemp(join(tmpdir(), 'release-verify-'));
  const served = 'url' in input.from ? null : await serve(input.from);
  try {
    const url = 'url' in input.from ? input.from.url.replace(/\/$/, '') : (served?.url ?? '');
    return await verifyAt(url, root, dir, input);
  } finally {
    served?.server.close();
    served?.server.closeAllConnections();
    await rm(dir, { recursive: true, force: true });
  }
}

async function verifyAt(
  url: string,
  root: Buffer,
  dir: string,
  { artifacts, nowMs, progress }: VerifyInput,
): Promise<VerifyResult> {
  const metadataDir = join(dir, 'metadata');
  const targetDir = join(dir, 'targets');
  for (const path of [metadataDir, targetDir]) await mkdir(path);
  await writeFile(join(metadataDir, 'root.json'), root);
  const updater = new Updater({
    metadataDir,
    metadataBaseUrl: `${url}/metadata`,
    targetDir,
    targetBaseUrl: `${url}/targets`,
    config: { fetchRetry: 0, fetchTimeout: 600_000 },
  });
  await updater.refresh().catch((err: unknown) => {
    throw new ReleaseError(`A device would refuse the metadata at ${url}: ${messageOf(err)}`);
  });
  const read = (role: Role): Promise<Buffer> => readFile(join(metadataDir, `${role}.json`));
  const targets = parseTargets(await read('targets'), 'targets.json');
  const releases = releasesOf(targets, 'targets.json');
  const numbers = new Set(releases.map(({ release }) => release));
  if (numbers.size < releases.length) throw new ReleaseError('A release number is given twice');
  if (artifacts) {
    for (const { name } of releases) {
      progress(`fetching ${name}`);
      await fetchArtifact(updater, name);
    }
  }
  const signed = {
    root: parseRoot(await read('root'), 'root.json').signed,
    targets: targets.signed,
    snapshot: parseSnapshot(await read('snapshot'), 'snapshot.json').signed,
    timestamp: parseTimestamp(await read('timestamp'), 'timestamp.json').signed,
  };
  const summary = (role: Role): VerifyResult['metadata'][Role] => {
    const { version, expires } = signed[role];
    return { version, expires, daysLeft: daysLeft(expires, nowMs) };
  };
  const metadata = {
    root: summary('root'),
    targets: summary('targets'),
    snapshot: summary('snapshot'),
    timestamp: summary('timestamp'),
  };
  return { releases, highest: highestOf(targets, 'targets.json'), metadata };
}

async function fetchArtifact(updater: Updater, name: string): Promise<void> {
  try {
    const target = await updater.getTargetInfo(name);
    if (target === undefined) throw new Error('it is not listed');
    await rm(await updater.downloadTarget(target));
  } catch (err) {
    throw new ReleaseError(`A device would refuse ${name}: ${messageOf(err)}`);
  }
}

/** A place that is no URL is served on this machine, so that it is read by the very code that devices run. */
async function serve(store: ReleaseStore): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const name = decodeURI(request.url ?? '').slice(1);
    const found = TARGET_NAME.test(name) ? store.open(name) : Promise.resolve(null);
    found
      .then(async (stream) => {
        if (stream === null) response.writeHead(404).end();
        else await pipeline(stream, response);
      })
      .catch((err: unknown) => {
        response.destroy(err instanceof Error ? err : undefined);
      });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}` };
}
