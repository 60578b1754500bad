import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { create } from 'tar';

const ROOT = resolve(__dirname, '..', '..');
const SAMPLE_APP = join(ROOT, 'local', 'sample-app', 'main.mjs');
const RELEASE = join(ROOT, 'triggers', 'cli', 'release', 'main.ts');

export interface Publisher {
  /** Ships with every device. */
  rootFile: string;
  /** What a server of files serves. */
  publicDir: string;
  /** Makes, signs and publishes a firmware, and returns its target path. */
  ship(version: string, kind: 'good' | 'bad'): Promise<string>;
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
    async ship(version, kind) {
      const file = await firmware(join(dir, 'build', version), version, kind);
      const target = `pump/${version}.tar`;
      const named = ['--version', version, '--hardware', hardware.join(','), '--name', target];
      await release('add', file, '--dir', repository, ...named);
      await release('sign', '--dir', repository, '--keys', join(keys, 'offline'));
      const online = join(keys, 'online');
      await release('publish', '--dir', repository, '--online-keys', online, '--to', publicDir);
      tell(`npm run release -- add, sign, publish: ${target}`);
      return target;
    },
  };
}

/** The sample application; the bad one dies as soon as it runs, which only running it can show. */
async function firmware(dir: string, version: string, kind: 'good' | 'bad'): Promise<string> {
  const tree = join(dir, 'tree');
  await mkdir(tree, { recursive: true });
  const application = await readFile(SAMPLE_APP, 'utf8');
  const fault = kind === 'bad' ? 'setTimeout(() => process.exit(70), 300);\n' : '';
  await writeFile(join(tree, 'main.mjs'), `// Firmware ${version}\n${application}${fault}`);
  const file = join(dir, `${version}.tar`);
  await create({ file, cwd: tree, portable: true }, ['.']);
  return file;
}
