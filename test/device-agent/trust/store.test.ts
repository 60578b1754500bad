import fs, {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createTrust } from '../../../device-agent/trust/trust';
import { UpdateRefusedError, type Trust } from '../../../device-agent/update/types';
import { createRepository, type TufRepository } from '../../support/tuf-repository';
import { serveRepository, type RepositoryServer } from '../../support/tuf-server';

const RELEASE = { version: '1.4.0', release: 8, securityEpoch: 2, hardware: ['pump-2'] };
const NAME = 'pump/1.4.0.tar';
const FILES = ['root.json', 'timestamp.json', 'snapshot.json', 'targets.json', 'versions'];

let dir: string;
let store: string;
let repository: TufRepository;
let server: RepositoryServer;
let trust: Trust;

beforeEach(async () => {
  // Nothing in this process sees what a flush does, and it takes most of the time.
  jest.spyOn(fs, 'fsyncSync').mockReturnValue(undefined);
  dir = mkdtempSync(join(tmpdir(), 'trust-store-'));
  store = join(dir, 'device');
  repository = createRepository(join(dir, 'repository'));
  repository.addTarget(NAME, 'the software', RELEASE);
  repository.publish();
  server = await serveRepository(repository);
  trust = deviceWith(repository.rootFile);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

const deviceWith = (rootFile: string): Trust =>
  createTrust({
    metadataUrl: server.metadataUrl,
    targetsUrl: server.targetsUrl,
    rootFile,
    dir: store,
    now: () => new Date(),
    limits: { retries: 0 },
  });
const trusted = (file: string): string => join(store, 'metadata', file);
const versionOf = (file: string): unknown =>
  (JSON.parse(readFileSync(trusted(file), 'utf8')) as { signed: { version: unknown } }).signed
    .version;
const isRefused = (act: Promise<unknown>): Promise<boolean> =>
  act.then(
    () => false,
    (error: unknown) => error instanceof UpdateRefusedError,
  );
const tear = (file: string, bytes: (length: number) => number): void => {
  const content = readFileSync(trusted(file));
  writeFileSync(trusted(file), content.subarray(0, bytes(content.length)));
};

describe('a refresh', () => {
  it('leaves one folder of metadata, and none anew where nothing changed', async () => {
    await trust.target(NAME);
    repository.publish();
    await trust.target(NAME);
    const entries = readdirSync(store).sort();
    expect(entries).toEqual(['metadata', 'metadata.2']);
    await trust.target(NAME);
    expect(readdirSync(store).sort()).toEqual(entries);
  });

  it('takes a shipped root that is newer than the stored one', async () => {
    await trust.target(NAME);
    for (const role of ['root', 'timestamp'] as const) {
      repository.rotateKeys(role);
      repository.publish();
    }
    // The repository no longer has the root in between.
    unlinkSync(join(repository.metadataDir, '2.root.json'));
    expect(await isRefused(deviceWith(repository.rootFile).target(NAME))).toBe(true);
    const shipped = join(repository.metadataDir, '3.root.json');
    expect(await deviceWith(shipped).target(NAME)).toMatchObject({ release: RELEASE });
    expect(versionOf('root.json')).toBe(3);
  });

  it('says which file to replace where the shipped root is damaged, too', async () => {
    writeFileSync(repository.rootFile, '{}');
    await expect(trust.target(NAME)).rejects.toThrow(/root.json is no root metadata/);
    expect(await isRefused(trust.target(NAME))).toBe(false);
  });
});

describe('a damaged store', () => {
  const lengths: [string, (length: number) => number][] = [
    ['nothing', () => 0],
    ['half', (length) => length >> 1],
    ['all but one byte', (length) => length - 1],
  ];
  const cases = FILES.flatMap((file) => lengths.map(([name, of]) => [file, name, of] as const));

  it.each(cases)('heals where of %s there is %s', async (file, _name, bytes) => {
    repository.publish({ root: true });
    await trust.target(NAME);
    const sound = new Map(FILES.map((each) => [each, readFileSync(trusted(each))]));
    tear(file, bytes);
    expect(await trust.target(NAME)).toMatchObject({ release: RELEASE });
    for (const each of FILES)
      expect([each, readFileSync(trusted(each))]).toEqual([each, sound.get(each)]);
  });

  it.each(FILES.slice(0, 4))('does not take an older %s in place of a torn one', async (file) => {
    const files = ['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json'];
    repository.publish({ root: true });
    const old = files.map((each) => [each, repository.read(each)] as const);
    repository.publish({ root: true });
    await trust.target(NAME);
    tear(file, () => 5);
    tear('timestamp.json', () => 5);
    unlinkSync(join(repository.metadataDir, '3.root.json'));
    for (const [each, content] of old) repository.write(each, content);
    if (file !== 'root.json') expect(versionOf('root.json')).toBe(3);
    expect(await isRefused(trust.target(NAME))).toBe(true);
  });

  it.each<[string, () => void]>([
    ['the symlink is gone', () => unlinkSync(join(store, 'metadata'))],
    [
      'the symlink leads nowhere',
      () => {
        unlinkSync(join(store, 'metadata'));
        fs.symlinkSync('metadata.99', join(store, 'metadata'));
      },
    ],
    [
      'the symlink has become a folder, as of a backup',
      () => {
        unlinkSync(join(store, 'metadata'));
        fs.cpSync(join(store, 'metadata.1'), join(store, 'metadata'), { recursive: true });
      },
    ],
    ['the folder is gone', () => rmSync(store, { recursive: true })],
    ['a file lies where a folder would be', () => writeFileSync(join(store, 'metadata.7'), '')],
  ])('heals where %s', async (_name, damage) => {
    await trust.target(NAME);
    damage();
    expect(await trust.target(NAME)).toMatchObject({ release: RELEASE });
    repository.publish();
    await trust.target(NAME);
    expect(versionOf('targets.json')).toBe(2);
    expect(fs.lstatSync(join(store, 'metadata')).isSymbolicLink()).toBe(true);
  });
});

describe('a power cut', () => {
  const MUTATING = [
    'openSync',
    'writeSync',
    'writeFileSync',
    'fsyncSync',
    'mkdirSync',
    'symlinkSync',
    'renameSync',
    'unlinkSync',
    'rmdirSync',
  ] as const;

  /** From the n-th mutating call on, the disk takes nothing any more. Says how many there were. */
  function cutAt(n: number): () => number {
    let calls = 0;
    for (const name of MUTATING) {
      const real = fs[name] as (...args: unknown[]) => unknown;
      jest.spyOn(fs, name).mockImplementation(((...args: unknown[]) => {
        if (name === 'openSync' && args[1] === 'r') return real(...args);
        calls += 1;
        if (calls >= n) throw new Error('power cut');
        return real(...args);
      }) as never);
    }
    return () => calls;
  }

  it('between any two steps of a refresh leaves a store that works and forgets nothing', async () => {
    await trust.target(NAME);
    let cuts = 0;
    for (let n = 1; ; n += 1) {
      repository.publish({ root: n % 2 === 0 });
      const before = versionOf('targets.json') as number;
      const calls = cutAt(n);
      const ended = await trust.target(NAME).then(
        () => true,
        () => false,
      );
      const cut = calls() >= n;
      jest.restoreAllMocks();
      expect(versionOf('targets.json')).toBeGreaterThanOrEqual(before);
      expect(await trust.target(NAME)).toMatchObject({ release: RELEASE });
      expect(readdirSync(store).filter((entry) => entry.startsWith('metadata.'))).toHaveLength(1);
      if (!cut) {
        expect(ended).toBe(true);
        break;
      }
      cuts += 1;
    }
    expect(cuts).toBeGreaterThan(20);
  });
});
