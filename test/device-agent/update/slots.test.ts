import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { emptyFolder } from '../../../device-agent/state/remove-tree';
import { createSlotsInstaller } from '../../../device-agent/update/installers/slots';
import { unpack } from '../../../device-agent/update/unpack';
import { targetOf } from './artifact-server';
import { tarOf, type TarEntry } from './tar';

const v2: TarEntry[] = [
  { path: './', type: '5' },
  { path: './bin/', type: '5' },
  { path: './bin/pump', content: 'run v2', mode: 0o4777 },
  { path: './config.json', content: '{}' },
  { path: './empty' },
  { path: 'deep/er/notes.txt', content: randomBytes(700_000).toString('hex') },
];

function device() {
  const dir = mkdtempSync(join(tmpdir(), 'slots-'));
  const factory = join(dir, 'a/root');
  mkdirSync(factory, { recursive: true });
  writeFileSync(join(factory, 'pump'), 'factory');
  return { dir, installer: createSlotsInstaller({ dir }) };
}

type Device = ReturnType<typeof device>;

function artifactOf(entries: TarEntry[], name = 'pump-2.0.0.tar', release = 2) {
  const tar = tarOf(entries);
  const bytes = /gz$/.test(name) ? gzipSync(tar) : tar;
  const path = join(mkdtempSync(join(tmpdir(), 'artifact-')), 'pump.part');
  writeFileSync(path, bytes);
  const target = targetOf(bytes, 'http://localhost/', name);
  return { path, target: { ...target, release: { ...target.release, release } } };
}

async function put({ installer }: Device, entries: TarEntry[], name?: string, release?: number) {
  const { path, target } = artifactOf(entries, name, release);
  await installer.install(path, target);
  return { path, target };
}

async function names({ installer }: Device) {
  return [(await installer.active()).name, (await installer.confirmed()).name];
}

describe('two slots', () => {
  it('start with a, whatever of the layout is there already', async () => {
    const dir = join(mkdtempSync(join(tmpdir(), 'slots-')), 'new');
    const installer = createSlotsInstaller({ dir });
    expect(await installer.active()).toEqual({ name: 'a', installed: null });
    expect(readdirSync(dir).sort()).toEqual(['a', 'active', 'b', 'confirmed']);
    expect(await createSlotsInstaller({ dir }).confirmed()).toEqual({ name: 'a', installed: null });
    const factory = device();
    await factory.installer.active();
    expect(readFileSync(join(factory.dir, 'active/root/pump'), 'utf8')).toBe('factory');
  });

  it.each(['pump-2.0.0.tar', 'pump-2.0.0.tar.gz', 'pump.tgz'])('take %s', async (name) => {
    const slots = device();
    const { path, target } = await put(slots, v2, name);
    const root = join(slots.dir, 'b/root');
    expect(readFileSync(join(root, 'bin/pump'), 'utf8')).toBe('run v2');
    expect(statSync(join(root, 'bin/pump')).mode & 0o7777).toBe(0o755);
    expect(statSync(join(root, 'config.json')).mode & 0o7777).toBe(0o644);
    expect(statSync(join(root, 'empty')).size).toBe(0);
    expect(statSync(join(root, 'deep/er/notes.txt')).size).toBe(1_400_000);
    expect(existsSync(path)).toBe(false);
    expect(await names(slots)).toEqual(['a', 'a']);
    await slots.installer.activate();
    expect(await slots.installer.active()).toEqual({
      name: 'b',
      installed: {
        target: name,
        sha256: target.sha256,
        version: '2.0.0',
        release: 2,
        securityEpoch: 0,
      },
    });
  });

  it('switch, confirm and revert, each as often as one likes', async () => {
    const slots = device();
    await put(slots, v2);
    await slots.installer.activate();
    await slots.installer.activate();
    expect(await names(slots)).toEqual(['b', 'a']);
    await slots.installer.revert();
    await slots.installer.revert();
    expect(await names(slots)).toEqual(['a', 'a']);
    await slots.installer.activate();
    await slots.installer.confirm();
    await slots.installer.confirm();
    await slots.installer.revert();
    expect(await names(slots)).toEqual(['b', 'b']);
    await put(slots, [{ path: 'pump', content: 'run v3' }], 'pump-3.tar', 3);
    expect(readdirSync(join(slots.dir, 'a/root'))).toEqual(['pump']);
    await slots.installer.activate();
    expect(await names(slots)).toEqual(['a', 'b']);
  });

  it('never write a slot on trial, nor the one that it reverts to', async () => {
    const slots = device();
    await put(slots, v2);
    await slots.installer.activate();
    await expect(put(slots, v2)).rejects.toThrow(/slot b is on trial/);
    await expect(slots.installer.discard()).rejects.toThrow(/slot b is on trial/);
    expect(readFileSync(join(slots.dir, 'a/root/pump'), 'utf8')).toBe('factory');
    expect(existsSync(join(slots.dir, 'b/root/bin/pump'))).toBe(true);
  });

  it('drop what was not switched to, following no link', async () => {
    const slots = device();
    await put(slots, v2);
    const outside = mkdtempSync(join(tmpdir(), 'outside-'));
    writeFileSync(join(outside, 'precious'), '');
    symlinkSync(outside, join(slots.dir, 'b/root/link'));
    await slots.installer.discard();
    expect(readdirSync(join(slots.dir, 'b/root'))).toEqual([]);
    await expect(slots.installer.activate()).rejects.toThrow('slot b is not complete');
    rmSync(join(slots.dir, 'b/root'), { recursive: true });
    symlinkSync(outside, join(slots.dir, 'b/root'));
    await put(slots, v2);
    expect(readdirSync(outside)).toEqual(['precious']);
    expect(lstatSync(join(slots.dir, 'b/root')).isDirectory()).toBe(true);
  });

  it('install again where an earlier attempt ended before the end', async () => {
    const slots = device();
    await slots.installer.active();
    mkdirSync(join(slots.dir, 'b/root/stale/folder'), { recursive: true });
    writeFileSync(join(slots.dir, 'b/release.json'), '{"target":');
    await expect(slots.installer.activate()).rejects.toThrow('slot b is not complete');
    await put(slots, v2);
    expect(existsSync(join(slots.dir, 'b/root/stale'))).toBe(false);
    // And once complete, it needs no artifact any more.
    const { target } = artifactOf(v2);
    await slots.installer.install('/nowhere', target);
    await slots.installer.activate();
    expect(await names(slots)).toEqual(['b', 'a']);
  });

  it.each<[string, (dir: string) => void, string[]]>([
    ['active', (dir) => rmSync(join(dir, 'active')), ['a', 'a']],
    ['confirmed', (dir) => rmSync(join(dir, 'confirmed')), ['b', 'b']],
    ['active, which leads elsewhere,', (dir) => relink(dir, 'active', '/etc'), ['a', 'a']],
    ['active, now a file,', (dir) => refill(join(dir, 'active')), ['a', 'a']],
    ['the software on trial', (dir) => rmSync(join(dir, 'b'), { recursive: true }), ['a', 'a']],
    ['what says that it is complete', (dir) => rmSync(join(dir, 'b/release.json')), ['a', 'a']],
    ['the confirmed software', (dir) => rmSync(join(dir, 'a'), { recursive: true }), ['b', 'b']],
    [
      'both links',
      (dir) => ['active', 'confirmed'].forEach((l) => rmSync(join(dir, l))),
      ['b', 'b'],
    ],
  ])('heal where %s is lost', async (_name, damage, expected) => {
    const slots = device();
    await put(slots, v2);
    await slots.installer.activate();
    damage(slots.dir);
    expect(await names(slots)).toEqual(expected);
    const links = ['active', 'confirmed'].map((link) => readlinkSync(join(slots.dir, link)));
    expect(links).toEqual(expected);
  });

  it('fall back to a where both links are lost and b is half-written', async () => {
    const slots = device();
    await slots.installer.active();
    writeFileSync(join(slots.dir, 'b/root/pump'), 'half');
    ['active', 'confirmed'].forEach((link) => rmSync(join(slots.dir, link)));
    expect(await names(slots)).toEqual(['a', 'a']);
  });

  it('count what goes first as room', async () => {
    const slots = device();
    const { target } = await put(slots, v2);
    expect(await slots.installer.spaceNeeded(target)).toBeLessThan(target.length - 1_300_000);
    await slots.installer.discard();
    expect(await slots.installer.spaceNeeded(target)).toBe(target.length);
  });
});

describe('an archive', () => {
  const file = { path: 'file', content: 'first' };
  it.each<[string, TarEntry[], RegExp]>([
    ['an absolute path', [{ path: '/etc/passwd', content: 'x' }], /\/etc\/passwd is absolute/],
    ['a way out', [{ path: 'x/../../y', content: 'x' }], /x\/..\/..\/y leads out/],
    ['a long way out', [{ path: `${'d/'.repeat(80)}../y`, content: 'x', pax: true }], /leads out/],
    ['a symbolic link', [{ path: 'l', type: '2', link: '/etc' }], /l is a SymbolicLink/],
    ['a hard link', [file, { path: 'l', type: '1', link: 'file' }], /l is a Link/],
    ['a device', [{ path: 'tty', type: '3' }], /tty is a CharacterDevice/],
    ['a pipe', [{ path: 'p', type: '6' }], /p is a FIFO/],
    ['an unknown entry', [{ path: 'u', type: 'Z', content: 'x' }], /u is a /],
    ['a file twice', [file, { path: './file', content: 'second' }], /file is there twice/],
    ['a file as folder', [file, { path: 'file/x', content: 'x' }], /file\/x is there twice/],
    ['no name', [{ path: '.', content: 'x' }], /has no name/],
    ['more than its size', [{ path: 'big', size: 1e12 }], /big exceeds \d+ unpacked bytes/],
  ])('with %s is refused, by the name of the entry', async (_name, entries, reason) => {
    const slots = device();
    await expect(put(slots, entries)).rejects.toThrow(reason);
    expect(readdirSync(slots.dir).sort()).toEqual(['a', 'active', 'b', 'confirmed']);
    await expect(slots.installer.activate()).rejects.toThrow('not complete');
  });

  it.each<[string, () => Buffer, string, RegExp]>([
    ['no tar', () => Buffer.alloc(4_096, 'x'), 'p.tar', /p.tar: /],
    ['a tar cut off', () => tarOf(v2.slice(0, 4), false).subarray(0, -1), 'p.tar', /Truncated/],
    ['compressed in secret', () => gzipSync(tarOf(v2)), 'p.tar', /does not say so/],
    ['a bomb', () => bomb(), 'p.tar.gz', /bomb exceeds \d+ unpacked bytes/],
    ['twice compressed', () => gzipSync(gzipSync(tarOf(v2))), 'p.tgz', /does not say so/],
    ['a gzip cut off', () => gzipSync(tarOf(v2)).subarray(0, -20), 'p.tgz', /unexpected end/],
    ['empty', () => Buffer.alloc(0), 'p.tar', /p.tar/],
  ])('that is %s is refused', async (_name, bytes, name, reason) => {
    const slots = device();
    const { path, target } = artifactOf(v2, name);
    const content = bytes();
    writeFileSync(path, content);
    const other = { ...target, length: content.length };
    await expect(slots.installer.install(path, other)).rejects.toThrow(reason);
    await expect(slots.installer.activate()).rejects.toThrow('not complete');
  });

  it('with too many entries is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'unpacked-'));
    const { path: artifact } = artifactOf([1, 2, 3, 4].map((n) => ({ path: `file-${n}` })));
    const unpacking = (entries: number) =>
      unpack({ artifact, name: 'p.tar', folder, limits: { bytes: 0, entries } });
    await expect(unpacking(3)).rejects.toThrow(/file-4 is one more than 3 entries/);
    await emptyFolder(folder);
    await unpacking(4);
    expect(readdirSync(folder)).toHaveLength(4);
  });

  it('is read no further than its end', async () => {
    const slots = device();
    const { path, target } = artifactOf(v2);
    const tail = Buffer.concat([tarOf(v2), Buffer.alloc(30_000_000, 'x')]);
    writeFileSync(path, tail);
    await slots.installer.install(path, { ...target, length: tail.length });
    expect(readdirSync(join(slots.dir, 'b/root'))).toHaveLength(4);
  });
});

/** 16 MB in 16 kB. */
function bomb(): Buffer {
  return gzipSync(tarOf([{ path: 'bomb', content: '0'.repeat(16_000_000) }]));
}

function relink(dir: string, link: string, to: string): void {
  rmSync(join(dir, link));
  symlinkSync(to, join(dir, link));
}

function refill(path: string): void {
  rmSync(path);
  writeFileSync(path, 'a');
}
