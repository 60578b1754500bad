import { open } from 'node:fs/promises';

/** One of the kernel's own files, of which the size is not known before; at most so many bytes of it. */
export async function readProc(path: string, maxBytes = 65_536): Promise<string> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(maxBytes);
    let length = 0;
    while (length < maxBytes) {
      const { bytesRead } = await file.read(buffer, length, maxBytes - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.toString('utf8', 0, length);
  } finally {
    await file.close();
  }
}

/** Null where it is gone, such as a process that ended, or may not be read. */
export async function tryProc(path: string, maxBytes?: number): Promise<string | null> {
  try {
    return await readProc(path, maxBytes);
  } catch {
    return null;
  }
}

/** The value after `name:` of a file such as /proc/meminfo. */
export function fieldOf(text: string, name: string): string | null {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim() ?? null;
}
