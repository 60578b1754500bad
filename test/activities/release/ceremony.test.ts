import { execFileSync } from 'node:child_process';
import {
  cpSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { withLock } from '../../../activities/release/lock';
import { parseTargets } from '../../../activities/release/metadata';
import { openRepository } from '../../../activities/release/repository';
import { signStaged } from '../../../activities/release/sign';
import { readSigners } from '../../../activities/release/signer';
import { makeBench, type Bench } from './support';

let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => rmSync(bench.home, { recursive: true, force: true }));

/** Changes one file of the repository as an editor would. */
function edit(file: string, change: (signed: Record<string, unknown>) => void): void {
  const path = join(bench.dir, file);
  const metadata = JSON.parse(readFileSync(path, 'utf8')) as { signed: Record<string, unknown> };
  change(metadata.signed);
  writeFileSync(path, JSON.stringify(metadata));
}

const makeFifo = (path: string): Buffer => execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', path]);

describe('a look before signing', () => {
  it('tells what a signature would put in force, with and without keys, and changes nothing', async () => {
    await bench.add('1.0.0');
    const staged = join(bench.dir, 'staged/targets.json');
    const before = readFileSync(staged, 'utf8');
    expect(await bench.sign([], null, true)).toMatchObject([{ signatures: 0, complete: false }]);
    expect(await bench.sign(['offline'], null, true)).toMatchObject([{ complete: true }]);
    expect(readFileSync(staged, 'utf8')).toBe(before);
    expect((await bench.open()).targets.signed.version).toBe(1);
  });
});

describe('keys', () => {
  it('are readable by their owner alone, and never overwritten', async () => {
    const { offlineKeys, onlineKeys } = bench.made;
    expect([...offlineKeys, ...onlineKeys]).toHaveLength(7);
    for (const file of [...offlineKeys, ...onlineKeys])
      expect(statSync(file).mode & 0o777).toBe(0o600);
    const before = readFileSync(offlineKeys[0] ?? '', 'utf8');
    await expect(bench.init()).rejects.toThrow('there is a repository');
    await expect(bench.init({ dir: join(bench.home, 'other') })).rejects.toThrow('never overwrit');
    expect(readFileSync(offlineKeys[0] ?? '', 'utf8')).toBe(before);
  });

  it('are opened by their passphrase and by no other', async () => {
    const sealed = await makeBench({ passphrase: 'correct horse' });
    try {
      await sealed.add('1.0.0');
      expect(readFileSync(sealed.made.offlineKeys[0] ?? '', 'utf8')).toContain('ENCRYPTED');
      await expect(sealed.sign()).rejects.toThrow('is encrypted');
      await expect(sealed.sign(['offline'], 'wrong')).rejects.toThrow('passphrase does not open');
      expect(await sealed.sign(['offline'], 'correct horse')).toMatchObject([{ complete: true }]);
    } finally {
      rmSync(sealed.home, { recursive: true, force: true });
    }
  });

  it('are Ed25519 keys of this repository, or refused by name', async () => {
    await bench.add('1.0.0');
    bench.file('keys/offline/not-a-key', 'hello');
    await expect(bench.sign(['offline/not-a-key'])).rejects.toThrow(/not-a-key is no private key/);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    bench.file('keys/rsa.pem', rsa.export({ type: 'pkcs8', format: 'pem' }).toString());
    await expect(bench.sign(['rsa.pem'])).rejects.toThrow('type rsa, not Ed25519');
    await expect(bench.sign(['online'])).rejects.toThrow('none of these is a targets key');
    await expect(bench.sign(['nowhere'])).rejects.toThrow('no key at');
    makeFifo(join(bench.keysDir, 'fifo.pem'));
    await expect(bench.sign(['fifo.pem'])).rejects.toThrow('is no private key');
  });
});

describe('signing', () => {
  it('counts holders one at a time, the same one once, and puts in force at the threshold', async () => {
    await bench.add('1.0.0');
    const one = [{ signatures: 1, threshold: 2, complete: false }];
    expect(await bench.sign(['offline/targets-1.pem'])).toMatchObject(one);
    expect(await bench.sign(['offline/targets-1.pem'])).toMatchObject(one);
    expect((await bench.open()).releases).toEqual([]);
    expect(await bench.sign(['offline/targets-3.pem'])).toMatchObject([
      { signatures: 2, complete: true },
    ]);
    expect((await bench.open()).releases).toMatchObject([{ name: 'pump/1.0.0.tar', release: 1 }]);
    await expect(bench.sign()).rejects.toThrow('Nothing is staged');
  });

  it('merges what another holder signed on a copy, and nothing else', async () => {
    await bench.add('1.0.0');
    const copy = join(bench.home, 'copy');
    cpSync(bench.dir, copy, { recursive: true });
    const signers = await readSigners([join(bench.keysDir, 'offline/targets-2.pem')], null);
    await signStaged(await openRepository(copy), { signers, others: [], dryRun: false });
    await bench.sign(['offline/targets-1.pem']);
    const file = join(copy, 'staged/targets.json');
    const other = parseTargets(readFileSync(file), file);
    const merged = { signers: [], others: [{ file, metadata: other }], dryRun: false };
    expect(await signStaged(await bench.open(), merged)).toMatchObject([{ complete: true }]);
    await bench.add('1.1.0');
    await expect(signStaged(await bench.open(), merged)).rejects.toThrow('not a copy');
  });

  it('voids signatures when more is staged', async () => {
    await bench.add('1.0.0');
    await bench.sign(['offline/targets-1.pem']);
    expect(await bench.add('1.1.0')).toMatchObject({ droppedSignatures: 1 });
    expect(await bench.sign(['offline/targets-2.pem'])).toMatchObject([{ signatures: 1 }]);
  });

  it('renews root and targets with all they hold', async () => {
    await bench.add('1.0.0');
    await bench.sign();
    await bench.renew('root');
    await bench.renew('targets');
    expect(await bench.sign()).toMatchObject([
      { role: 'root', version: 2, complete: true },
      { role: 'targets', version: 3, complete: true },
    ]);
    const { releases, roots } = await bench.open();
    expect(releases).toHaveLength(1);
    expect(roots).toHaveLength(2);
  });

  it('refuses a staged root that somebody gave another key', async () => {
    await bench.renew('root');
    edit('staged/root.json', (signed) => {
      const roles = signed['roles'] as Record<string, { threshold: number }>;
      roles['targets'] = { ...roles['targets'], threshold: 1 };
    });
    await expect(bench.sign()).rejects.toThrow('changes more than version and expiry');
  });
});

describe('a repository that somebody edited', () => {
  it.each([
    ['metadata/1.root.json', 'does not carry the signatures'],
    ['metadata/1.targets.json', 'does not carry the signatures'],
    ['metadata/timestamp.json', 'does not carry the signatures'],
  ])('is not built upon: %s', async (file, message) => {
    edit(file, (signed) => {
      signed['expires'] = '2099-01-01T00:00:00Z';
    });
    await expect(bench.open()).rejects.toThrow(message);
  });

  it('is not signed: staged targets that lower a release, change a target or were signed before', async () => {
    await bench.add('1.0.0');
    await bench.sign();
    await bench.add('1.1.0');
    const staged = readFileSync(join(bench.dir, 'staged/targets.json'));
    const targetsOf = (signed: Record<string, unknown>) =>
      signed['targets'] as Record<string, { length: number; custom: Record<string, unknown> }>;
    const custom = (name: string, change: Record<string, unknown>) =>
      edit('staged/targets.json', (signed) => {
        Object.assign(targetsOf(signed)[name]?.custom ?? {}, change);
      });
    custom('pump/1.1.0.tar', { release: 1 });
    await expect(bench.sign()).rejects.toThrow('release 1 is not above 1');
    writeFileSync(join(bench.dir, 'staged/targets.json'), staged);
    custom('pump/1.0.0.tar', { hardware: ['rev-z'] });
    await expect(bench.sign()).rejects.toThrow('signed before with other content');
    writeFileSync(join(bench.dir, 'staged/targets.json'), staged);
    custom('pump/1.1.0.tar', { extra: true });
    await expect(bench.sign()).rejects.toThrow('extra');
    writeFileSync(join(bench.dir, 'staged/targets.json'), staged);
    await bench.sign(['offline/targets-1.pem']);
    edit('staged/targets.json', (signed) => {
      signed['expires'] = '2099-01-01T00:00:00Z';
    });
    await expect(bench.sign(['offline/targets-2.pem'])).rejects.toThrow('does not fit');
  });

  it('is not read through links, FIFOs or what is no metadata', async () => {
    const staged = join(bench.dir, 'staged/targets.json');
    await bench.add('1.0.0');
    renameSync(staged, join(bench.home, 'elsewhere.json'));
    symlinkSync(join(bench.home, 'elsewhere.json'), staged);
    await expect(bench.open()).rejects.toThrow('is a symbolic link');
    rmSync(staged);
    makeFifo(staged);
    await expect(bench.open()).rejects.toThrow('no regular file');
    rmSync(staged);
    for (const text of ['', '{', '[]', 'null', '{"signed":{"_type":"root"},"signatures":[]}']) {
      writeFileSync(staged, text);
      await expect(bench.open()).rejects.toThrow('is no targets metadata');
    }
    rmSync(join(bench.dir, 'staged'), { recursive: true });
    rmSync(join(bench.dir, 'artifacts'), { recursive: true });
    symlinkSync(bench.home, join(bench.dir, 'artifacts'));
    await expect(bench.add('1.1.0')).rejects.toThrow('is a symbolic link');
  });

  it('is worked on by one command at a time, and a dead one does not count', async () => {
    await withLock(bench.dir, async () => {
      await expect(withLock(bench.dir, () => Promise.resolve())).rejects.toThrow('Another command');
    });
    writeFileSync(join(bench.dir, '.lock'), String(2 ** 22 + 1));
    expect(await withLock(bench.dir, () => Promise.resolve('done'))).toBe('done');
  });
});
