import { appendFileSync } from 'node:fs';
import { Socket } from 'node:net';

/** Loaded before a process's own code: writes each `host:port` it connects to, one a line. */
const file = process.env['RECORD_CONNECTIONS_FILE'];
const connect = Reflect.get(Socket.prototype, 'connect') as (
  this: Socket,
  ...args: unknown[]
) => Socket;

Socket.prototype.connect = function recorded(this: Socket, ...args: unknown[]): Socket {
  if (file !== undefined) appendFileSync(file, `${addressOf(args)}\n`);
  return connect.apply(this, args);
};

/** `connect` takes (options), (port, host), (path), or the first of these as a list. */
function addressOf(args: unknown[]): string {
  const list = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  const [first, second] = list;
  if (typeof first !== 'object' || first === null) {
    return `${typeof second === 'string' ? second : 'localhost'}:${String(first)}`;
  }
  const {
    host = 'localhost',
    port,
    path,
  } = first as { host?: string; port?: number | string; path?: string };
  return port === undefined ? `unix:${path ?? ''}` : `${host}:${String(port)}`;
}
