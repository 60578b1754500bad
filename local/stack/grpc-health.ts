import { connect } from 'node:http2';

const SERVICE = 'temporal.api.workflowservice.v1.WorkflowService';

/**
 * Asks a Temporal server whether its front end serves (grpc.health.v1.Health/Check), with HTTP/2 alone:
 * the Temporal client loads a native module, which is slow for a question asked while waiting.
 */
export function isServing(address: string, timeoutMs = 1_000): Promise<boolean> {
  return new Promise((resolve) => {
    const session = connect(`http://${address}`);
    const finish = (serving: boolean) => {
      clearTimeout(timer);
      session.destroy();
      resolve(serving);
    };
    const timer = setTimeout(() => finish(false), timeoutMs);
    session.on('error', () => finish(false));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => finish(false));
    stream.on('end', () => finish(saysServing(Buffer.concat(chunks))));
    stream.end(healthRequest());
  });
}

/** A gRPC frame (flag, length) around a protobuf message whose field 1 is the service's name. */
function healthRequest(): Buffer {
  const message = Buffer.concat([Buffer.from([0x0a, SERVICE.length]), Buffer.from(SERVICE)]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Field 1 of the answer is the status; 1 is SERVING. */
function saysServing(frame: Buffer): boolean {
  return frame.length >= 7 && frame[5] === 0x08 && frame[6] === 0x01;
}
