import { createHash } from 'node:crypto';
import { opendir, statfs, type FileHandle } from 'node:fs/promises';
import type { Collector, Sink } from './collector';
import { printableName } from './printable';
import { redact } from './redact';
import { SkippedError, bytesOf, entryPath, openEntry, openPath, type Found } from './safe-file';

/** proc, sysfs, debugfs, tracefs, cgroup, cgroup2, bpf, configfs: files there are questions to the kernel. */
const PSEUDO: ReadonlySet<number> = new Set([
  0x9f_a0, 0x62_65_65_72, 0x64_62_67_20, 0x74_72_61_63, 0x27_e0_eb, 0x63_67_72_70, 0xca_fe_4a_11,
  0x62_65_65_70,
]);

/** SHA-256, size, mode and time of every regular file below a root that the device's configuration names. */
export function hashes(roots: Readonly<Record<string, string>>, name: string): Collector {
  return async (sink) => {
    const path = Object.hasOwn(roots, name) ? roots[name] : undefined;
    if (path === undefined) {
      sink.cut(`diagnostics.hashRoots has no ${name}`);
      return;
    }
    const root = await openPath(path);
    try {
      if (root.kind !== 'folder') throw new SkippedError('no folder');
      const { type } = await statfs(`/proc/self/fd/${root.handle.fd}`);
      if (PSEUDO.has(type)) throw new SkippedError('a file system of the kernel, not of files');
      await new Walk(sink, root.dev).folder(root.handle, '', 0);
    } finally {
      await root.handle.close();
    }
  };
}

class Walk {
  private entries = 0;

  constructor(
    private readonly sink: Sink,
    private readonly dev: number,
  ) {}

  /** False where the root has come to its limit of entries. */
  async folder(handle: FileHandle, path: string, depth: number): Promise<boolean> {
    if (depth > this.sink.limits.depth) {
      this.sink.cut(`${path}: deeper than ${this.sink.limits.depth} folders`);
      return true;
    }
    // latin1 keeps the bytes of names that are not UTF-8.
    const names = await opendir(entryPath(handle, Buffer.from('.')).toString(), {
      encoding: 'latin1',
      bufferSize: 128,
    });
    for await (const { name } of names) {
      this.sink.check();
      this.entries += 1;
      if (this.entries > this.sink.limits.entries) {
        this.sink.cut(`more than ${this.sink.limits.entries} entries`);
        return false;
      }
      if (!(await this.entry(handle, Buffer.from(name, 'latin1'), path, depth))) return false;
    }
    return true;
  }

  private async entry(
    folder: FileHandle,
    name: Buffer,
    above: string,
    depth: number,
  ): Promise<boolean> {
    const path = `${above}${above === '' ? '' : '/'}${printableName(redact(name.toString()))}`;
    let found: Found;
    try {
      found = await openEntry(folder, name);
    } catch (error) {
      if (!(error instanceof SkippedError)) throw error;
      await this.sink.line({ path, skipped: error.why });
      return true;
    }
    try {
      if (found.dev !== this.dev) {
        await this.sink.line({ path, skipped: 'another file system' });
        return true;
      }
      if (found.kind === 'folder') return await this.folder(found.handle, path, depth + 1);
      await this.file(found, path);
      return true;
    } finally {
      await found.handle.close();
    }
  }

  private async file(found: Found, path: string): Promise<void> {
    const hash = createHash('sha256');
    let read = 0;
    for await (const chunk of bytesOf(found.handle, 0, found.size)) {
      hash.update(chunk);
      read += chunk.length;
      this.sink.check();
    }
    const { size } = await found.handle.stat();
    await this.sink.line({
      path,
      sha256: hash.digest('hex'),
      size: read,
      mode: (found.mode & 0o7777).toString(8).padStart(4, '0'),
      mtime: found.mtime.toISOString(),
      ...((size !== found.size || read !== size) && { changing: true }),
    });
  }
}
