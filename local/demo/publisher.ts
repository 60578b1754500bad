import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { create } from 'tar';

const ROOT = resolve(__dirname, '..', '..');
const RELEASE = join(ROOT, 'triggers', 'cli', 'release', 'main.ts');

/** Name and text of each file of a firmware. */
export type Firmware = Record<string, string>;

export interface Publisher {
  /** Ships with every device. */
  rootFile: string;
  /** What a server of files serves. */
  publicDir: string;
  /** Packs, signs and publishes a firmware, with the reverts to these versions, and returns its target path. */
  ship(version: string, files: Firmware, options?: { revertsTo?: string[] }): Promise<string>;
}

/** The release ceremony, through the same commands that a person types. */
export async function createPublisher(
  dir: string,
  hardware: readonly string[],
  tell: (line: string) => void,
): Promise<Publisher> {
  const repository = join(dir, 'repository');
  const keys = join(dir, 'keys');
  const publicDir = join(dir, 'public');
  await mkdir(publicDir, { recursive: true });
  const release = async (...args: string[]): Promise<void> => {
    await promisify(execFile)(process.execPath, ['--import', 'tsx', RELEASE, ...args], {
      cwd: ROOT,
    });
  };
  await release('init', '--dir', repository, '--keys', keys);
  tell(
    'npm run release -- init: offline root and targets keys (2 of 3), online snapshot and timestamp keys',
  );
  return {
    rootFile: join(repository, 'metadata', '1.root.json'),
    publicDir,
    async ship(version, files, { revertsTo } = {}) {
      const file = await pack(join(dir, 'build', version), version, files);
      const target = `pump/${version}.tar`;
      const named = ['--version', version, '--hardware', hardware.join(','), '--name', target];
      const back = revertsTo === undefined ? [] : ['--reverts-to', revertsTo.join(',')];
      await release('add', file, '--dir', repository, ...named, ...back);
      await release('sign', '--dir', repository, '--keys', join(keys, 'offline'));
      const online = join(keys, 'online');
      await release('publish', '--dir', repository, '--online-keys', online, '--to', publicDir);
      tell(`npm run release -- add, sign, publish: ${[target, ...back].join(' ')}`);
      return target;
    },
  };
}

/** A tar of the files, which is what a device takes. */
export async function pack(dir: string, version: string, files: Firmware): Promise<string> {
  const tree = join(dir, 'tree');
  await mkdir(tree, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(tree, name), text);
  const file = join(dir, `${version}.tar`);
  await create({ file, cwd: tree, portable: true }, ['.']);
  return file;
}
