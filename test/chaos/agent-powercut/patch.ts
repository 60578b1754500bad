import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { Disk } from './disk';
import { PatchedFs, type OnCall, type Operation } from './patched-fs';

type AnyFunction = (...args: never[]) => unknown;
type Loose = (...args: unknown[]) => unknown;

/** Not one call that can be cut, so not to be used where a power cut matters. */
const UNSUPPORTED = ['cpSync', 'linkSync', 'mkdtempSync', 'writevSync'] as const;

/**
 * Stands between the synchronous functions of `node:fs` and whoever calls them as members of the module, for paths
 * below the disk; keeps the model of the disk and tells of each call that changes something. Takes it back by the
 * function that it returns. What is written past it shows in `Disk.differences`.
 */
export function patchFs(
  current: () => Disk | null,
  onCall: OnCall,
  lies: readonly Operation[] = [],
): () => void {
  const real = { ...fs };
  const { spawnSync, execFile } = childProcess;
  const patched = new PatchedFs(real, current, onCall, lies);
  const replaced: Record<string, AnyFunction> = {
    ...refusals(real, patched),
    ...singles(patched),
    ...composites(real, patched),
  };
  Object.assign(fs, replaced);
  Object.assign(childProcess, commands({ spawnSync, execFile }, patched));
  syncBuiltinESMExports();
  return () => {
    const names = Object.keys(replaced) as (keyof typeof real)[];
    Object.assign(fs, Object.fromEntries(names.map((name) => [name, real[name]])));
    Object.assign(childProcess, { spawnSync, execFile });
    syncBuiltinESMExports();
  };
}

function refusals(real: typeof fs, patched: PatchedFs): Record<string, AnyFunction> {
  const refusing = (name: (typeof UNSUPPORTED)[number]): Loose => {
    const original = real[name] as Loose;
    return (...args) => {
      if (args.some((arg) => patched.inside(arg) || patched.isOpen(arg))) {
        throw new Error(`${name}: more than one change in one call can't be cut`);
      }
      return original(...args);
    };
  };
  return Object.fromEntries(UNSUPPORTED.map((name) => [name, refusing(name)]));
}

const singles = (patched: PatchedFs): Record<string, AnyFunction> => ({
  openSync: patched.openSync,
  closeSync: patched.closeSync,
  writeSync: patched.writeSync,
  ftruncateSync: patched.ftruncateSync,
  truncateSync: patched.truncateSync,
  fsyncSync: patched.fsyncSync,
  fdatasyncSync: patched.fdatasyncSync,
  renameSync: patched.renameSync,
  unlinkSync: patched.unlinkSync,
  rmdirSync: patched.rmdirSync,
  symlinkSync: patched.symlinkSync,
});

/** Node makes these of several calls; here, too, and of those that can be cut. */
function composites(real: typeof fs, patched: PatchedFs): Record<string, AnyFunction> {
  const write = (path: string, data: string | Buffer, flags: string | number, mode?: number) => {
    const file = patched.openSync(path, flags, mode);
    try {
      const bytes = Buffer.from(data);
      for (let at = 0; at < bytes.length;) at += patched.writeSync(file, bytes, at);
    } finally {
      patched.closeSync(file);
    }
  };
  const remove = (path: string): void => {
    if (!real.lstatSync(path).isDirectory()) {
      patched.unlinkSync(path);
      return;
    }
    for (const name of real.readdirSync(path)) remove(join(path, name));
    patched.rmdirSync(path);
  };
  const writer =
    (original: Loose, flag: string) =>
    (path: unknown, data: string | Buffer, options?: fs.WriteFileOptions) => {
      if (!patched.inside(path)) return original(path, data, options);
      const { flag: own, mode } = typeof options === 'object' ? { ...options } : {};
      write(path, data, own ?? flag, typeof mode === 'number' ? mode : undefined);
      return undefined;
    };
  return {
    writeFileSync: writer(real.writeFileSync as Loose, 'w'),
    appendFileSync: writer(real.appendFileSync as Loose, 'a'),
    copyFileSync: (from: string, to: string, mode?: number) => {
      if (!patched.inside(to)) real.copyFileSync(from, to, mode);
      else write(to, real.readFileSync(from), mode === fs.constants.COPYFILE_EXCL ? 'wx' : 'w');
    },
    mkdirSync: (path: string, options?: fs.MakeDirectoryOptions | number) => {
      if (!patched.inside(path)) return real.mkdirSync(path, options);
      const { recursive = false, mode } = typeof options === 'object' ? options : { mode: options };
      const permissions = typeof mode === 'number' ? mode : undefined;
      if (recursive) return patched.makeFolders(path, permissions);
      patched.makeFolder(path, permissions);
      return undefined;
    },
    rmSync: (path: string, options?: fs.RmOptions) => {
      if (!patched.inside(path)) real.rmSync(path, options);
      else if (options?.force !== true || real.existsSync(path)) remove(path);
    },
  };
}

/** `sync -f` beside the event loop makes nothing durable here, for a cut may come before it has. */
function commands(
  real: Pick<typeof childProcess, 'spawnSync' | 'execFile'>,
  patched: PatchedFs,
): object {
  const syncs = (command: unknown, args: unknown): string | null =>
    command === 'sync' && Array.isArray(args) ? String(args.at(-1)) : null;
  return {
    spawnSync: (...all: unknown[]) => {
      const path = syncs(all[0], all[1]);
      if (path !== null && patched.syncFileSystem(path)) return { status: 0 };
      return (real.spawnSync as Loose)(...all);
    },
    execFile: (...all: unknown[]) => {
      const done = all.at(-1);
      const path = syncs(all[0], all[1]);
      if (path === null || !patched.inside(path) || typeof done !== 'function')
        return (real.execFile as Loose)(...all);
      setImmediate(done as () => void);
      return null;
    },
  };
}
