import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ReleaseError } from './errors';
import { digestOfBytes, openFolder, type Content, type Digest } from './folder';

/**
 * Where devices fetch from: `metadata/…` and `targets/…` below one place. All names but `metadata/timestamp.json`
 * are written once and never again with other bytes, which is why a publish can be repeated after any interruption.
 */
export interface ReleaseStore {
  /** For messages. */
  place: string;
  /** The whole of a metadata file; null where there is none. */
  read(name: string): Promise<Buffer | null>;
  /** A file as devices get it; null where there is none. */
  open(name: string): Promise<Readable | null>;
  digest(name: string): Promise<Digest | null>;
  /** False, and nothing changed, where the name is taken, by whatever bytes. */
  create(name: string, content: Content): Promise<boolean>;
  /** `before`: what `read` returned; another writer in between is refused where the place can tell. */
  replace(name: string, bytes: Buffer, before: Buffer | null): Promise<void>;
}

export type Put = 'written' | 'same' | 'other';

/** Puts an immutable file in place, or finds that it is there already. */
export async function putOnce(store: ReleaseStore, name: string, content: Content): Promise<Put> {
  const wanted = Buffer.isBuffer(content) ? digestOfBytes(content) : content;
  const there = await store.digest(name);
  if (there === null && (await store.create(name, content))) return 'written';
  const found = there ?? (await store.digest(name));
  return found?.sha256 === wanted.sha256 && found.length === wanted.length ? 'same' : 'other';
}

export function folderStore(path: string): ReleaseStore {
  const folder = openFolder(path);
  return {
    place: path,
    read: (name) => folder.read(name),
    async open(name) {
      return (await folder.has(name)) ? createReadStream(join(path, name)) : null;
    },
    digest: (name) => folder.digest(name),
    create: (name, content) => folder.create(name, content),
    async replace(name, bytes, before) {
      const now = await folder.read(name);
      if (now === null ? before !== null : before === null || !now.equals(before)) {
        throw new ReleaseError(`${path}: somebody else published meanwhile; publish again`);
      }
      await folder.replace(name, bytes);
    },
  };
}
