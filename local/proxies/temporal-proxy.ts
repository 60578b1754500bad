import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { carriesTask, takeHead } from './grpc-head';

/** One gRPC call as it passed through the proxy. */
export interface TemporalCall {
  /** Last part of the path, such as `RespondWorkflowTaskCompleted`. */
  method: string;
  /** Whole path, `/temporal.api.workflowservice.v1.WorkflowService/…`. */
  path: string;
  /**
   * Order among the calls of this method since the last reset, from 1. A poll is counted when it delivers a task, all
   * others when they arrive.
   */
  nth: number;
  /** The answer to a poll carries a task. */
  delivered: boolean;
}

/** `drop` ends the stream there: towards the server in `before`, towards the worker in `after`. */
export type TemporalVerdict = 'drop' | undefined;

export interface TemporalInterceptor {
  /** Awaited before the server sees the call. Not asked for polls. */
  before?(call: TemporalCall): Promise<TemporalVerdict> | TemporalVerdict;
  /** Awaited after the server answered and before the worker sees it; for polls only when a task is delivered. */
  after?(call: TemporalCall): Promise<TemporalVerdict> | TemporalVerdict;
}

export interface TemporalProxy {
  /** `127.0.0.1:PORT`, as a worker's `TEMPORAL_ADDRESS`. */
  address: string;
  use(interceptor: TemporalInterceptor): { remove: () => void };
  /** Starts counting again. */
  reset(): void;
  stop(): Promise<void>;
}

interface Counter {
  next(method: string): number;
}

/**
 * An HTTP/2 cleartext proxy between a worker and a Temporal server. Streams are passed on as they are, with their
 * flow control, trailers and resets; each connection has its own connection to the server.
 */
export async function startTemporalProxy(options: { upstream: string }): Promise<TemporalProxy> {
  const interceptors = new Set<TemporalInterceptor>();
  const counts = new Map<string, number>();
  const counter: Counter = {
    next: (method) => {
      const nth = (counts.get(method) ?? 0) + 1;
      counts.set(method, nth);
      return nth;
    },
  };
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    const upstream = connect(`http://${options.upstream}`);
    // A failed connection shows at its streams, which answer UNAVAILABLE.
    upstream.on('error', () => undefined);
    session.on('error', () => undefined);
    session.on('close', () => {
      sessions.delete(session);
      upstream.destroy();
    });
    session.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      void relay({ stream, headers, upstream, interceptors, counter });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    use: (interceptor) => {
      interceptors.add(interceptor);
      return { remove: () => interceptors.delete(interceptor) };
    },
    reset: () => counts.clear(),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

interface Relay {
  stream: ServerHttp2Stream;
  headers: IncomingHttpHeaders;
  upstream: ClientHttp2Session;
  interceptors: Set<TemporalInterceptor>;
  counter: Counter;
}

async function relay({ stream, headers, upstream, interceptors, counter }: Relay): Promise<void> {
  const path = headers[':path'] ?? '';
  const method = path.slice(path.lastIndexOf('/') + 1);
  const isPoll = method.startsWith('Poll');
  const call: TemporalCall = { method, path, nth: 0, delivered: false };
  if (!isPoll) {
    call.nth = counter.next(method);
    if (await anyDrops(interceptors, (one) => one.before?.(call))) {
      stream.close(constants.NGHTTP2_CANCEL);
      return;
    }
  }
  if (stream.destroyed) return;
  const request = openUpstream(upstream, headers);
  if (request === null) {
    answerUnavailable(stream);
    return;
  }
  linkEnds(stream, request);
  stream.pipe(request);
  const answered = await answerOf(request);
  if (answered === null) return;
  if (isPoll) {
    call.delivered = carriesTask(answered.head);
    if (call.delivered) call.nth = counter.next(method);
  }
  const asked = !isPoll || call.delivered;
  if (asked && (await anyDrops(interceptors, (one) => one.after?.(call)))) {
    stream.close(constants.NGHTTP2_CANCEL);
    return;
  }
  passAnswer(stream, request, answered);
}

async function anyDrops(
  interceptors: Iterable<TemporalInterceptor>,
  question: (one: TemporalInterceptor) => Promise<TemporalVerdict> | TemporalVerdict,
): Promise<boolean> {
  for (const interceptor of interceptors) {
    if ((await question(interceptor)) === 'drop') return true;
  }
  return false;
}

function openUpstream(
  upstream: ClientHttp2Session,
  headers: IncomingHttpHeaders,
): ClientHttp2Stream | null {
  if (upstream.destroyed || upstream.closed) return null;
  return upstream.request(headers, { endStream: false });
}

/** Either side's reset ends the other side with the same code. */
function linkEnds(stream: ServerHttp2Stream, request: ClientHttp2Stream): void {
  request.on('error', () => undefined);
  stream.once('close', () => {
    if (!request.closed) request.close(stream.rstCode || constants.NGHTTP2_CANCEL);
  });
  request.once('close', () => {
    if (stream.closed) return;
    if (!stream.headersSent) answerUnavailable(stream);
    else if (request.rstCode !== constants.NGHTTP2_NO_ERROR) stream.close(request.rstCode);
  });
}

interface Answered {
  headers: IncomingHttpHeaders;
  /** gRPC "trailers only": the headers are the whole answer. */
  headersOnly: boolean;
  /** The first bytes of the body, taken out of the stream: a stream that has ended takes nothing back. */
  head: Buffer;
  trailers: Promise<IncomingHttpHeaders>;
}

/** Resolves once the server has committed and answered; null when the stream ended without an answer. */
async function answerOf(request: ClientHttp2Stream): Promise<Answered | null> {
  const trailers = new Promise<IncomingHttpHeaders>((resolve) => {
    request.once('trailers', resolve);
    request.once('close', () => resolve({}));
  });
  const first = await new Promise<{ headers: IncomingHttpHeaders; flags: number } | null>(
    (resolve) => {
      request.once('response', (headers, flags) => resolve({ headers, flags }));
      request.once('close', () => resolve(null));
    },
  );
  if (first === null) return null;
  const headersOnly = (first.flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
  const head = headersOnly ? Buffer.alloc(0) : await takeHead(request);
  return { headers: first.headers, headersOnly, head, trailers };
}

function passAnswer(stream: ServerHttp2Stream, request: ClientHttp2Stream, answer: Answered): void {
  if (stream.destroyed || stream.closed) return;
  if (answer.headersOnly) {
    stream.respond(answer.headers, { endStream: true });
    return;
  }
  stream.respond(answer.headers, { waitForTrailers: true });
  stream.once('wantTrailers', () => {
    void answer.trailers.then((trailers) => {
      if (!stream.destroyed && !stream.closed) stream.sendTrailers(trailers);
    });
  });
  stream.write(answer.head);
  request.pipe(stream);
}

const GRPC_UNAVAILABLE = '14';

function answerUnavailable(stream: ServerHttp2Stream): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': GRPC_UNAVAILABLE,
      'grpc-message': 'proxy: the Temporal server is not reachable',
    },
    { endStream: true },
  );
}
