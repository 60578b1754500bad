import { commandFilter } from '../domain/device-protocol/topics';

export interface Command {
  command: string;
  payload: unknown;
}

const MAX_COMMAND_BYTES = 32_768;

/** What arrives on `cmd/<thing>/<name>` goes to the application as one JSON line; null where it is not one. */
export function commandOf(thing: string, topic: string, payload: Buffer): Command | null {
  const prefix = commandFilter(thing).slice(0, -1);
  const name = topic.slice(prefix.length);
  if (!topic.startsWith(prefix) || !/^[a-zA-Z0-9_-]{1,64}$/.test(name)) return null;
  if (payload.length > MAX_COMMAND_BYTES) return null;
  if (payload.length === 0) return { command: name, payload: null };
  try {
    return { command: name, payload: JSON.parse(payload.toString('utf8')) as unknown };
  } catch {
    return null;
  }
}
