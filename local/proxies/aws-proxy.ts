import { createHash } from 'node:crypto';
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { hold, sendHeld, type Held } from './held-body';
import { decodeCall, parseJson, type DecodedCall } from './aws-call';

/** One call as it passed through the proxy. `status` is null until AWS has answered. */
export interface AwsCall extends DecodedCall {
  /** Order of arrival since the last reset, from 0. */
  index: number;
  /** Order among the calls of this operation since the last reset, from 1. */
  nth: number;
  /** Epoch milliseconds. */
  at: number;
  /** AWS received it. */
  forwarded: boolean;
  /** Status of AWS's answer, whether or not the caller saw it. */
  status: number | null;
  /** Error name of AWS's answer, such as `ResourceAlreadyExistsException`. */
  error: string | null;
  /** JSON of the answer. */
  output: Record<string, unknown>;
  /** The caller got the answer. */
  answered: boolean;
  /** SHA-256 of the request body, hexadecimal; of its first mebibyte where it is longer. */
  digest: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** What to do with a call instead of passing it on: cut the connection, or answer in AWS's place. */
export type Verdict = 'drop' | Answer | undefined;

export interface Interceptor {
  /** Awaited before AWS sees the call. */
  before?(call: AwsCall): Promise<Verdict> | Verdict;
  /** Awaited after AWS answered and before the caller sees it. */
  after?(call: AwsCall): Promise<Verdict> | Verdict;
}

export interface AwsProxyOptions {
  /** `http://127.0.0.1:PORT` */
  upstream: string;
  delayMs?: number;
  onCall?: (call: AwsCall) => void;
}

export interface AwsProxy {
  endpoint: string;
  calls(): AwsCall[];
  /** Forgets the calls and starts counting again. */
  reset(): void;
  setDelay(ms: number): void;
  /** Interceptors are asked in the order given; the first verdict counts. */
  use(interceptor: Interceptor): { remove: () => void };
  stop(): Promise<void>;
}

/** Below the idle time-out of the emulator's HTTP server, so that a reused connection is a live one. */
const IDLE_MS = 3000;
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'expect'];

/**
 * A recording reverse proxy in front of AWS's HTTP endpoint. It keeps the Host header, which SigV4 signs, and
 * decides nothing by itself: delays, faults and kills are the caller's.
 */
export async function startAwsProxy(options: AwsProxyOptions): Promise<AwsProxy> {
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });
  const recorder = createRecorder();
  const interceptors = new Set<Interceptor>();
  let delayMs = options.delayMs ?? 0;

  const exchange = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const held = await hold(req);
    const call = recorder.record(req, held.bytes);
    if (delayMs > 0) await sleep(delayMs);
    const refused = await ask(interceptors, (one) => one.before?.(call));
    if (refused !== undefined) {
      settle(res, call, refused);
      return;
    }
    const answer = await forward({ agent, upstream: options.upstream, req, held, call });
    const answerHeld = await hold(answer);
    call.status = answer.statusCode ?? null;
    call.error = errorOf(answer, answerHeld.bytes);
    call.output = isJson(answer.headers) ? parseJson(answerHeld.bytes) : {};
    options.onCall?.(call);
    const lost = await ask(interceptors, (one) => one.after?.(call));
    if (lost !== undefined) {
      answer.destroy();
      settle(res, call, lost);
      return;
    }
    res.writeHead(call.status ?? 502, endToEnd(answer.headers));
    sendHeld(res, answerHeld, answer);
    call.answered = true;
  };

  const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    exchange(req, res).catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    calls: () => [...recorder.calls],
    reset: () => recorder.reset(),
    setDelay: (ms) => (delayMs = ms),
    use: (interceptor) => {
      interceptors.add(interceptor);
      return { remove: () => interceptors.delete(interceptor) };
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}

function createRecorder() {
  const calls: AwsCall[] = [];
  const counts = new Map<string, number>();
  return {
    calls,
    record(req: IncomingMessage, body: Buffer): AwsCall {
      const { method = 'GET', url = '/', headers } = req;
      const decoded = decodeCall({ method, url, headers, body });
      const name = `${decoded.service}.${decoded.operation}`;
      const nth = (counts.get(name) ?? 0) + 1;
      counts.set(name, nth);
      const call: AwsCall = {
        ...decoded,
        index: calls.length,
        nth,
        at: Date.now(),
        forwarded: false,
        status: null,
        error: null,
        output: {},
        answered: false,
        digest: createHash('sha256').update(body).digest('hex'),
      };
      calls.push(call);
      return call;
    },
    reset(): void {
      calls.length = 0;
      counts.clear();
    },
  };
}

async function ask(
  interceptors: Iterable<Interceptor>,
  question: (one: Interceptor) => Promise<Verdict> | Verdict,
): Promise<Verdict> {
  for (const interceptor of interceptors) {
    const verdict = await question(interceptor);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

function settle(res: ServerResponse, call: AwsCall, verdict: 'drop' | Answer): void {
  if (verdict === 'drop') {
    res.destroy();
    return;
  }
  res.writeHead(verdict.status, verdict.headers).end(verdict.body);
  call.answered = true;
}

interface Forward {
  agent: Agent;
  upstream: string;
  req: IncomingMessage;
  held: Held;
  call: AwsCall;
}

/**
 * A connection that AWS closed while it was idle fails at its next use, before AWS has read anything: such a call is
 * sent once more on a new connection. https://nodejs.org/docs/latest-v20.x/api/http.html#requestreusedsocket
 */
async function forward(task: Forward, isRetry = false): Promise<IncomingMessage> {
  const { agent, upstream, req, held, call } = task;
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(upstream);
    const out = httpRequest({
      hostname,
      port,
      // As it came: SigV4 signs the path, so it must not be normalised here.
      path: req.url ?? '/',
      method: req.method ?? 'GET',
      headers: endToEnd(req.headers),
      agent,
    });
    call.forwarded = true;
    out.once('response', resolve);
    out.once('error', (err) => {
      if (!isRetry && held.complete && out.reusedSocket) resolve(forward(task, true));
      else reject(err);
    });
    sendHeld(out, held, req);
  });
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name));
  return Object.fromEntries(kept);
}

const isJson = (headers: IncomingHttpHeaders): boolean =>
  (headers['content-type'] ?? '').includes('json');

/** Errors are named in a header (REST), in `__type` (JSON) or in `<Code>` (XML). */
function errorOf(answer: IncomingMessage, body: Buffer): string | null {
  if ((answer.statusCode ?? 0) < 400) return null;
  const header = answer.headers['x-amzn-errortype'];
  const type = typeof header === 'string' ? header : parseJson(body).__type;
  const name = typeof type === 'string' ? type : /<Code>([^<]+)</.exec(body.toString())?.[1];
  return name?.replace(/^.*#/, '').replace(/:.*$/, '') ?? 'Unknown';
}
