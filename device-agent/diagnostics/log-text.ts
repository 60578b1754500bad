import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { codeOf } from '../errors';
import type { Collector, Sink } from './collector';
import { CONTEXT_BYTES, RedactingText } from './redact';
import { SkippedError, bytesOf, openFile } from './safe-file';

/**
 * A file of text, its newest `maxBytes`, redacted as one text before it is cut into lines of the bundle. Unless it is
 * known to be `whole`, a last word without a line's end may be half a secret, whose other half is not written yet.
 */
export function textFile(path: string, maxBytes: number, whole = false): Collector {
  return async (sink) => {
    const { handle, size, mtime } = await openFile(path);
    try {
      const start = Math.max(0, size - maxBytes);
      if (start > 0) sink.cut(`the newest ${maxBytes} of ${size} bytes`);
      const file = basename(path);
      await sink.line({ file, size, mtime: mtime.toISOString(), from: start });
      let read = 0;
      const counted = async function* (): AsyncGenerator<Buffer> {
        for await (const chunk of bytesOf(handle, Math.max(0, start - CONTEXT_BYTES), size)) {
          read += chunk.length;
          yield chunk;
        }
      };
      await put(sink, counted(), Math.min(start, CONTEXT_BYTES), whole);
      if (read < size - Math.max(0, start - CONTEXT_BYTES))
        sink.cut('it became shorter while it was read');
    } finally {
      await handle.close();
    }
  };
}

/** The agent's own files; their folder may be reached by a symlink, which the operator made. */
export function ownFiles(paths: readonly string[]): Collector {
  return async (sink) => {
    for (const path of paths) {
      try {
        const folder = await realpath(dirname(path));
        await textFile(join(folder, basename(path)), MAX_OWN_BYTES, true)(sink);
      } catch (error) {
        if (!(error instanceof SkippedError) && codeOf(error) !== 'ENOENT') throw error;
        const skipped = error instanceof SkippedError ? error.why : 'it does not exist';
        await sink.line({ file: basename(path), skipped });
      }
    }
  };
}

const MAX_OWN_BYTES = 1_048_576;

/** The first `skip` bytes only serve to see what the rest is. */
async function put(
  sink: Sink,
  chunks: AsyncIterable<Buffer>,
  skip: number,
  whole: boolean,
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let text: RedactingText | null = null;
  let last = '';
  for await (const chunk of chunks) {
    sink.check();
    let rest = chunk;
    if (text === null) {
      const before = decoder.write(chunk.subarray(0, skip));
      text = new RedactingText(before.length);
      text.push(before);
      rest = chunk.subarray(skip);
    }
    last = decoder.write(rest);
    await putPieces(sink, text.push(last));
  }
  if (text === null) return;
  await putPieces(sink, text.push(decoder.end()));
  await putPieces(sink, text.end(!whole && !last.endsWith('\n')));
}

const PIECE = 16_384;

/** Pieces of a readable length; what they hold together is redacted already. */
async function putPieces(sink: Sink, text: string): Promise<void> {
  for (let at = 0; at < text.length;) {
    const line = text.lastIndexOf('\n', at + PIECE - 1) + 1;
    const end = line > at ? line : at + PIECE;
    await sink.line({ text: text.slice(at, end) });
    at = end;
  }
}
