import type { Readable } from 'node:stream';
import { constants as zlib, gunzipSync } from 'node:zlib';

/** Compressed flag and length, before each message. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
const GRPC_PREFIX_BYTES = 5;
/** Enough of a compressed message to unpack its first byte. */
const HEAD_BYTES = 16 * 1024;
/** Field 1, length-delimited: `task_token` in both poll responses, which are empty or lack it when there is no task. */
const TASK_TOKEN_TAG = 0x0a;

/** The server answers with the compression of the request, so the start of a message may have to be unpacked. */
export function carriesTask(head: Buffer): boolean {
  if (head.length <= GRPC_PREFIX_BYTES) return false;
  const message = head.subarray(GRPC_PREFIX_BYTES);
  if (head[0] === 0) return message[0] === TASK_TOKEN_TAG;
  return gunzipSync(message, { finishFlush: zlib.Z_SYNC_FLUSH })[0] === TASK_TOKEN_TAG;
}

/** Takes the start of the first message out of a stream: at least its first `HEAD_BYTES`, or all that there is. */
export async function takeHead(stream: Readable): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < wantedBytes(head) && !stream.readableEnded && !stream.destroyed) {
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) head = Buffer.concat([head, chunk]);
    else if (!(await readableAgain(stream))) break;
  }
  return head;
}

function wantedBytes(head: Buffer): number {
  if (head.length < GRPC_PREFIX_BYTES) return GRPC_PREFIX_BYTES;
  return GRPC_PREFIX_BYTES + Math.min(head.readUInt32BE(1), HEAD_BYTES);
}

function readableAgain(stream: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (more: boolean): void => {
      stream.off('readable', onMore).off('end', onEnd).off('close', onEnd);
      resolve(more);
    };
    const onMore = (): void => settle(true);
    const onEnd = (): void => settle(false);
    stream.once('readable', onMore).once('end', onEnd).once('close', onEnd);
  });
}
