import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from '../../../device-agent/conformance/client';
import { createTrust } from '../../../device-agent/trust/trust';
import { makePythonRepository } from '../../support/python-tuf';
import { createRepository, type TufRepository } from '../../support/tuf-repository';
import { serveRepository, type RepositoryServer } from '../../support/tuf-server';

let dir: string;
let metadataDir: string;
let targetDir: string;
let repository: TufRepository;
let server: RepositoryServer;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tuf-client-'));
  metadataDir = join(dir, 'metadata');
  targetDir = join(dir, 'targets');
  // The suite makes both, empty.
  mkdirSync(metadataDir);
  mkdirSync(targetDir);
  repository = createRepository(join(dir, 'repository'));
  repository.addTarget('path/to/a.txt', 'first');
  repository.publish();
  server = await serveRepository(repository);
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

const init = (): Promise<void> => run(['--metadata-dir', metadataDir, 'init', repository.rootFile]);
const refresh = (): Promise<void> =>
  run(['--metadata-url', server.metadataUrl, '--metadata-dir', metadataDir, 'refresh']);
const download = (...names: string[]): Promise<void> =>
  run([
    ...['--metadata-url', server.metadataUrl, '--metadata-dir', metadataDir],
    ...names.flatMap((name) => ['--target-name', name]),
    ...['--target-dir', targetDir, '--target-base-url', server.targetsUrl, 'download'],
  ]);
const downloaded = (): string[] =>
  readdirSync(targetDir).map((file) => readFileSync(join(targetDir, file), 'utf8'));
const trusted = (): string[] =>
  readdirSync(metadataDir)
    .filter((file) => file.endsWith('.json'))
    .sort();

/** The suite itself (github.com/theupdateframework/tuf-conformance) runs against the same command line. */
describe('the command line of the conformance suite', () => {
  it('asks the repository for nothing at init, and in the order of the workflow at refresh', async () => {
    await init();
    expect(server.requests).toEqual([]);
    await refresh();
    expect(server.requests).toEqual(
      ['2.root', 'timestamp', '1.snapshot', '1.targets'].map(
        (role) => `GET /metadata/${role}.json`,
      ),
    );
    expect(trusted()).toEqual(['root.json', 'snapshot.json', 'targets.json', 'timestamp.json']);
    expect(readFileSync(join(metadataDir, 'targets.json'))).toEqual(
      repository.read('1.targets.json'),
    );
  });

  it('keeps the root that it verified of a refresh that failed', async () => {
    await init();
    repository.publish({ root: true, signatures: { timestamp: 0 } });
    await expect(refresh()).rejects.toThrow('timestamp was signed by 0/1');
    expect(trusted()).toEqual(['root.json']);
    expect(readFileSync(join(metadataDir, 'root.json'))).toEqual(repository.read('2.root.json'));
  });

  it('refreshes before it downloads, and downloads once', async () => {
    await init();
    await download('path/to/a.txt');
    await download('path/to/a.txt');
    expect(downloaded()).toEqual(['first']);
    expect(server.requests.filter((request) => request.includes('/targets/'))).toHaveLength(1);
  });

  it('replaces an artifact whose content changed, and keeps the former where the new one is not as signed', async () => {
    await init();
    await download('path/to/a.txt');
    const { file } = repository.addTarget('path/to/a.txt', 'second');
    repository.publish();
    writeFileSync(file, 'forged');
    await expect(download('path/to/a.txt')).rejects.toThrow(/SHA-256/);
    expect(downloaded()).toEqual(['first']);
    writeFileSync(file, 'second');
    await download('path/to/a.txt');
    expect(downloaded()).toEqual(['second']);
  });

  it('stops at the first target that fails', async () => {
    repository.addTarget('b.txt', 'other');
    repository.publish();
    await init();
    await expect(download('path/to/a.txt', 'none.txt', 'b.txt')).rejects.toThrow('none.txt');
    expect(downloaded()).toEqual(['first']);
  });

  it.each([[[]], [['refresh']], [['--metadata-dir', 'x', 'erase']], [['init', 'a', 'b', 'c']]])(
    'refuses %j',
    async (args) => {
      await expect(run(args)).rejects.toThrow(/metadata-dir|command|what is/);
    },
  );
});

describe('a repository that python-tuf made', () => {
  it('is trusted by the agent, thresholds and other kinds of keys included', async () => {
    const file = join(dir, 'artifact');
    writeFileSync(file, 'the software');
    const custom = { version: '1.4.0', release: 8, securityEpoch: 2, hardware: ['pump-2'] };
    const made = await makePythonRepository(join(dir, 'python'), [
      { name: 'pump/1.tar', file, custom },
    ]);
    const theirs = await serveRepository({ dir: join(dir, 'python') });
    try {
      const trust = createTrust({
        metadataUrl: theirs.metadataUrl,
        targetsUrl: theirs.targetsUrl,
        rootFile: made.rootFile,
        dir: join(dir, 'device'),
        now: () => new Date(),
      });
      const target = await trust.target('pump/1.tar');
      expect(target.release).toEqual(custom);
      const answer = await fetch(target.url);
      expect(await answer.text()).toBe('the software');
    } finally {
      await theirs.close();
    }
  });
});
