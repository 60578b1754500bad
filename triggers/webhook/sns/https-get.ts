import { Agent, request } from 'node:https';

export interface HttpsGetOptions {
  /** `name` or `name:port`. */
  host: string;
  path: string;
  /** PEM of the only authorities trusted; absent: the system's. */
  ca?: string;
  timeoutMs: number;
  maxBytes: number;
}

export type HttpsGetResult =
  | { kind: 'ok'; body: Buffer }
  /** The host answered, but not with a document of that size: a redirect, 404 and so on. */
  | { kind: 'refused'; problem: string }
  /** No answer that counts: connection, TLS, time-out, 5xx. Worth another try. */
  | { kind: 'unreachable'; problem: string };

/** One GET over TLS. Never follows a redirect, never throws, bounded in time and size. */
export function httpsGet(options: HttpsGetOptions): Promise<HttpsGetResult> {
  const [hostname = '', port = '443'] = options.host.split(':');
  return new Promise((resolve) => {
    const call = request({
      hostname,
      port: Number(port),
      path: options.path,
      method: 'GET',
      agent: new Agent({ keepAlive: false }),
      signal: AbortSignal.timeout(options.timeoutMs),
      headers: { accept: 'application/x-pem-file, */*' },
      minVersion: 'TLSv1.2',
      ...(options.ca !== undefined && { ca: options.ca }),
    });
    const settle = (result: HttpsGetResult): void => {
      resolve(result);
      call.destroy();
    };
    call.on('error', (error) => settle({ kind: 'unreachable', problem: error.message }));
    call.on('response', (response) => {
      const status = response.statusCode ?? 0;
      if (status !== 200) {
        const kind = status >= 500 || status === 429 ? 'unreachable' : 'refused';
        settle({ kind, problem: `HTTP ${status}` });
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > options.maxBytes) settle({ kind: 'refused', problem: 'too large' });
      });
      response.on('error', (error) => settle({ kind: 'unreachable', problem: error.message }));
      response.on('end', () => settle({ kind: 'ok', body: Buffer.concat(chunks) }));
    });
    call.end();
  });
}
