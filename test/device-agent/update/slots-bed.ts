import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createSlotsInstaller } from '../../../device-agent/update/installers/slots';
import { targetOf } from './artifact-server';
import { tarOf, type TarEntry } from './tar';

export const v2: TarEntry[] = [
  { path: './', type: '5' },
  { path: './bin/', type: '5' },
  { path: './bin/pump', content: 'run v2', mode: 0o4777 },
  { path: './config.json', content: '{}' },
  { path: './empty' },
  { path: 'deep/er/notes.txt', content: randomBytes(700_000).toString('hex') },
];

export function device() {
  const dir = mkdtempSync(join(tmpdir(), 'slots-'));
  const factory = join(dir, 'a/root');
  mkdirSync(factory, { recursive: true });
  writeFileSync(join(factory, 'pump'), 'factory');
  return { dir, installer: createSlotsInstaller({ dir }) };
}

type Device = ReturnType<typeof device>;

export function artifactOf(entries: TarEntry[], name = 'pump-2.0.0.tar', release = 2) {
  const tar = tarOf(entries);
  const bytes = /gz$/.test(name) ? gzipSync(tar) : tar;
  const path = join(mkdtempSync(join(tmpdir(), 'artifact-')), 'pump.part');
  writeFileSync(path, bytes);
  const target = targetOf(bytes, 'http://localhost/', name);
  return { path, target: { ...target, release: { ...target.release, release } } };
}

export async function put(
  { installer }: Device,
  entries: TarEntry[],
  name?: string,
  release?: number,
) {
  const { path, target } = artifactOf(entries, name, release);
  await installer.install(path, target);
  return { path, target };
}

export async function names({ installer }: Device) {
  return [(await installer.active()).name, (await installer.confirmed()).name];
}
