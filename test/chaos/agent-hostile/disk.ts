import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../../../device-agent/errors';

/** File contents by path. */
export type Tree = Record<string, string>;

export const FACTORY: Tree = { run: 'factory\n', 'lib/data.txt': 'factory data\n' };

/** Everything that one device keeps, and what lies around it and is none of its business. */
export class DeviceDisk {
  readonly slots: string;
  readonly state: string;
  readonly updates: string;
  readonly log: string;

  constructor(readonly dir: string) {
    this.slots = join(dir, 'device', 'slots');
    this.state = join(dir, 'device', 'state');
    this.updates = join(dir, 'device', 'updates');
    this.log = join(dir, 'device', 'log', 'app.log');
    for (const folder of [this.state, this.updates]) mkdirSync(folder, { recursive: true });
    for (const [path, content] of Object.entries(FACTORY)) {
      put(join(this.slots, 'a', 'root', path), content);
    }
    mkdirSync(join(this.slots, 'b', 'root'), { recursive: true });
    for (const link of ['active', 'confirmed']) symlinkSync('a', join(this.slots, link));
    put(this.log, 'started\n');
    for (const path of BYSTANDERS) put(join(dir, path), `${path} must stay as it is\n`);
  }

  /** The slot that was last proven good. */
  confirmed(): { slot: string; release: Installed | null; tree: Tree } {
    const slot = readlinkSync(join(this.slots, 'confirmed'));
    const folder = join(this.slots, slot);
    return { slot, release: readRelease(folder), tree: readTree(join(folder, 'root')) };
  }

  /** Of the update journal; null where it has none yet. */
  floor(): { release: number; securityEpoch: number } | null {
    return readUpdate(join(this.updates, 'update.json'))?.floor ?? null;
  }

  /** No update is in hand. */
  idle(): boolean {
    return (readUpdate(join(this.updates, 'update.json'))?.current ?? null) === null;
  }

  /** The agent counts as contained. */
  contained(): boolean {
    return journal.safeParse(parseJson(read(join(this.state, 'journal.json')))).success;
  }

  /** Puts software in the running slot that nobody signed, to show that it is noticed. */
  forge(): void {
    put(join(this.slots, this.confirmed().slot, 'root', 'run'), 'forged\n');
  }

  /** Which slot is started. */
  active(): string {
    return readlinkSync(join(this.slots, 'active'));
  }

  /** Of everything that no job may change: path, what it is, its number, its times and its content. */
  manifest(): Map<string, string> {
    const own = new Set([this.state, this.updates]);
    for (const name of ['a', 'b', 'active', 'confirmed']) own.add(join(this.slots, name));
    const found = new Map(OF_THE_MACHINE.map((path) => [path, describe(path, false)]));
    walk(this.dir, (path) => {
      if (own.has(path)) return false;
      found.set(path, describe(path, path === this.slots));
      return true;
    });
    return found;
  }

  /** The same of the slot that runs. */
  running(): Map<string, string> {
    const found = new Map<string, string>();
    walk(join(this.slots, this.confirmed().slot), (path) => {
      found.set(path, describe(path, false));
      return true;
    });
    return found;
  }
}

/** Where archives of the harness would like to write. */
const OF_THE_MACHINE = ['/escape', '/etc/passwd'];
const BYSTANDERS = [
  'etc/passwd',
  'escape',
  'device/escape',
  'device/slots/escape',
  'device/other/run',
  'repository-keys/root.pem',
];

const installed = z.object({
  target: z.string(),
  sha256: z.string(),
  release: z.number(),
  securityEpoch: z.number(),
});
export type Installed = z.infer<typeof installed>;

const update = z.object({
  floor: z.object({ release: z.number(), securityEpoch: z.number() }),
  current: z.unknown(),
});

const journal = z.object({ containment: z.object({}) });

const readUpdate = (path: string): z.infer<typeof update> | null =>
  update.safeParse(parseJson(read(path))).data ?? null;
const readRelease = (folder: string): Installed | null =>
  installed.safeParse(parseJson(read(join(folder, 'release.json')))).data ?? null;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** What is no plain file, and may not be in a slot, shows as its kind. */
export function readTree(folder: string): Tree {
  const tree: Tree = {};
  walk(folder, (path) => {
    const stat = lstatSync(path);
    const name = path.slice(folder.length + 1);
    if (stat.isFile()) tree[name] = contentOf(path, stat.mode);
    else if (!stat.isDirectory()) tree[name] = '(neither file nor folder)';
    return true;
  });
  return tree;
}

const contentOf = (path: string, mode: number): string =>
  (mode & 0o6022) === 0 ? readFileSync(path, 'latin1') : `(mode ${mode.toString(8)})`;

function walk(path: string, visit: (path: string) => boolean): void {
  for (const name of readdirSync(path)) {
    const inner = join(path, name);
    if (visit(inner) && lstatSync(inner).isDirectory()) walk(inner, visit);
  }
}

/** A folder in which links are replaced changes its time with them. */
function describe(path: string, timeless: boolean): string {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return 'none';
  const content = stat.isFile()
    ? createHash('sha256').update(readFileSync(path)).digest('hex')
    : '';
  const times = timeless ? '' : `${stat.mtimeNs} ${stat.ctimeNs}`;
  return `${stat.mode} ${stat.ino} ${stat.size * (timeless ? 0n : 1n)} ${times} ${content}`;
}

/** Paths that differ, or are in only one of both. */
export function changes(before: Map<string, string>, after: Map<string, string>): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path));
}
