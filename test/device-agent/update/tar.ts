export interface TarEntry {
  path: string;
  content?: string;
  /** As in the header: '0' file, '5' folder, '2' symbolic link. */
  type?: string;
  mode?: number;
  link?: string;
  /** Announced instead of the content's. */
  size?: number;
  /** The path in an extended header, whatever its length. */
  pax?: boolean;
  /** Announced in an extended header, as GNU tar does for a file with holes. */
  sparse?: boolean;
}

const BLOCK = 512;

/** Tars by hand, since no tool writes the hostile ones. POSIX ustar: IEEE 1003.1, pax, "ustar Interchange Format". */
export function tarOf(entries: TarEntry[], end = true): Buffer {
  const blocks = entries.flatMap((entry) => {
    if (entry.pax === true)
      return [paxHeader('path', entry.path), ...one({ ...entry, path: 'short' })];
    return entry.sparse === true ? [paxHeader('GNU.sparse.major', '1'), ...one(entry)] : one(entry);
  });
  return Buffer.concat([...blocks, ...(end ? [Buffer.alloc(2 * BLOCK)] : [])]);
}

function one(entry: TarEntry): Buffer[] {
  const content = Buffer.from(entry.content ?? '');
  return [header(entry, entry.size ?? content.length), content, padding(content.length)];
}

function padding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}

function header({ path, type = '0', mode = 0o644, link = '' }: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(path, 0, 100);
  octal(block, mode, 100, 8);
  octal(block, 0, 108, 8);
  octal(block, 0, 116, 8);
  writeSize(block, size);
  octal(block, 0, 136, 12);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write('ustar\u000000', 257);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function octal(block: Buffer, value: number, at: number, length: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
}

/** Sizes from 8 GiB are in base 256. */
function writeSize(block: Buffer, size: number): void {
  if (size < 8 ** 11) {
    octal(block, size, 124, 12);
    return;
  }
  block[124] = 0x80;
  block.writeBigUInt64BE(BigInt(size), 128);
}

function paxHeader(name: string, value: string): Buffer {
  const text = ` ${name}=${value}\n`;
  const bytes = Buffer.byteLength(text);
  let length = bytes + 1;
  while (`${length}`.length + bytes !== length) length += 1;
  const content = Buffer.from(`${length}${text}`);
  const head = header({ path: 'pax', type: 'x' }, content.length);
  return Buffer.concat([head, content, padding(content.length)]);
}
