import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';

/** Bodies are held in memory up to here, so that hooks see a whole call; the rest streams through. */
const HELD_BYTES = 1024 * 1024;

export interface Held {
  bytes: Buffer;
  /** The whole body is in `bytes`. */
  complete: boolean;
}

/** Reads a body up to the limit and leaves the rest of a longer one in the paused stream. */
export async function hold(stream: IncomingMessage): Promise<Held> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    const settleHeld = (complete: boolean): void => {
      stream.off('data', take);
      if (!complete) stream.pause();
      resolve({ bytes: Buffer.concat(chunks), complete });
    };
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= HELD_BYTES) settleHeld(false);
    };
    stream.on('data', take);
    stream.once('end', () => settleHeld(true));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('connection closed in the middle of a body')));
  });
}

/** An empty body is not written at all: a write would turn a GET into a request with a body. */
export function sendHeld(to: Writable, held: Held, rest: IncomingMessage): void {
  if (held.bytes.length > 0) to.write(held.bytes);
  if (held.complete) to.end();
  else rest.pipe(to);
}
