import { createHash, randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { link, lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, ReleaseError } from './errors';

/** Metadata is JSON of a few hundred bytes a target. */
export const MAX_METADATA_BYTES = 16 * 1024 * 1024;

export interface Digest {
  /** Bytes. */
  length: number;
  /** Lower-case hex. */
  sha256: string;
}

/** Bytes that are at hand, or a file of this machine that must hold what was hashed before. */
export type Content = Buffer | FileContent;
export interface FileContent extends Digest {
  file: string;
}

/**
 * Files below one folder, by names that the caller has checked to hold no `..`. A symbolic link anywhere below the
 * folder is refused: it could make a write land, or a read come from, somewhere else.
 */
export interface Folder {
  path: string;
  /** Null where there is none. */
  read(name: string): Promise<Buffer | null>;
  digest(name: string): Promise<Digest | null>;
  /** A regular file. */
  has(name: string): Promise<boolean>;
  list(name: string): Promise<string[]>;
  /** Atomic and synced: after a power cut there are the old bytes or the new. */
  replace(name: string, bytes: Buffer): Promise<void>;
  /** Like `replace`, but never over something that is there: false, and nothing changed. */
  create(name: string, content: Content): Promise<boolean>;
  remove(name: string): Promise<void>;
}

export function openFolder(path: string): Folder {
  const at = (name: string): string => join(path, name);
  return {
    path,
    async read(name) {
      const handle = await openRegular(path, name);
      if (handle === null) return null;
      try {
        const { size } = await handle.stat();
        if (size > MAX_METADATA_BYTES) {
          throw new ReleaseError(`${at(name)} has ${size} bytes, which no metadata has`);
        }
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    },
    async digest(name) {
      const handle = await openRegular(path, name);
      return handle === null ? null : digestOf(handle.createReadStream() as AsyncIterable<Buffer>);
    },
    async has(name) {
      const handle = await openRegular(path, name);
      await handle?.close();
      return handle !== null;
    },
    async list(name) {
      await refuseLinks(path, name);
      return readdir(at(name)).catch((err: unknown) => {
        if (hasCode(err, 'ENOENT')) return [];
        throw err;
      });
    },
    replace: (name, bytes) => place(path, name, bytes, (from, to) => rename(from, to)),
    async create(name, content) {
      try {
        await place(path, name, content, (from, to) => link(from, to));
        return true;
      } catch (err) {
        if (hasCode(err, 'EEXIST')) return false;
        throw err;
      }
    },
    async remove(name) {
      await refuseLinks(path, name);
      await rm(at(name), { force: true });
    },
  };
}

/** Written beside its place, synced, then put there in one step. */
async function place(
  root: string,
  name: string,
  content: Content,
  put: (from: string, to: string) => Promise<void>,
): Promise<void> {
  await refuseLinks(root, name);
  const target = join(root, name);
  await mkdir(dirname(target), { recursive: true });
  const fresh = join(dirname(target), `.${randomUUID()}.tmp`);
  try {
    await write(fresh, content);
    await put(fresh, target);
    await syncFolder(dirname(target));
  } finally {
    await rm(fresh, { force: true });
  }
}

async function write(path: string, content: Content): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    if (Buffer.isBuffer(content)) await handle.writeFile(content);
    else await copyInto(handle, content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function copyInto(handle: FileHandle, { file, sha256 }: FileContent): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    await handle.writeFile(chunk);
  }
  if (hash.digest('hex') === sha256) return;
  throw new ReleaseError(`${file} is not what it was when its hash was taken`);
}

export const digestOfFile = (file: string): Promise<Digest> =>
  digestOf(createReadStream(file) as AsyncIterable<Buffer>);

export async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    length += chunk.length;
  }
  return { length, sha256: hash.digest('hex') };
}

export const digestOfBytes = (bytes: Buffer): Digest => ({
  length: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

async function openRegular(root: string, name: string): Promise<FileHandle | null> {
  await refuseLinks(root, name);
  try {
    // A FIFO would otherwise wait for its writer.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(join(root, name), flags);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (err) {
    if (hasCode(err, 'ENOENT')) return null;
    throw err;
  }
  throw new ReleaseError(`${join(root, name)} is no regular file: remove it`);
}

async function refuseLinks(root: string, name: string): Promise<void> {
  let path = root;
  for (const part of name.split('/')) {
    if (part === '' || part === '..' || part === '.') {
      throw new ReleaseError(`${name} is no name of a file below ${root}`);
    }
    path = join(path, part);
    const found = await lstat(path).catch((err: unknown) => {
      if (hasCode(err, 'ENOENT')) return null;
      throw err;
    });
    if (found === null) return;
    if (found.isSymbolicLink()) {
      throw new ReleaseError(`${path} is a symbolic link: put the file or folder itself there`);
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
