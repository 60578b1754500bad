import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { emptyFolder } from '../../../device-agent/state/remove-tree';
import { unpack } from '../../../device-agent/update/unpack';
import { artifactOf, device, put, v2 } from './slots-bed';
import { tarOf, type TarEntry } from './tar';

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
    ['a sparse file', [{ path: 's', type: 'S', content: 'x' }], /s is a /],
    ['a sparse file of pax', [{ path: 'GNUSparseFile.1/s', sparse: true }], /is a sparse file/],
    ['an unknown entry', [{ path: 'u', type: 'Z', content: 'x' }], /u is a /],
    ['a file twice', [file, { path: './file', content: 'second' }], /file is there twice/],
    ['a file as folder', [file, { path: 'file/x', content: 'x' }], /file\/x is there twice/],
    [
      'a long way in',
      [{ path: `${'d/'.repeat(130)}y`, content: 'x', pax: true }],
      /deeper than 128/,
    ],
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
