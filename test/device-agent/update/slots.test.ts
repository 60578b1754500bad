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
import { describe, expect, it } from '@jest/globals';
import { createSlotsInstaller } from '../../../device-agent/update/installers/slots';
import { artifactOf, device, names, put, v2 } from './slots-bed';

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

function relink(dir: string, link: string, to: string): void {
  rmSync(join(dir, link));
  symlinkSync(to, join(dir, link));
}

function refill(path: string): void {
  rmSync(path);
  writeFileSync(path, 'a');
}
