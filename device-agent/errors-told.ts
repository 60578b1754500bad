import type { Logger } from 'pino';

/** The same logger, which also tells what is logged as an error: whoever logs one need not know who else listens. */
export function tellingErrors(log: Logger, tell: (what: string) => void): Logger {
  return new Proxy(log, {
    get: (target, name) => {
      if (name !== 'error') return Reflect.get(target, name) as unknown;
      return (entry: { event: string; reason?: unknown }): void => {
        const { event, reason } = entry;
        target.error(entry);
        tell(typeof reason === 'string' ? `${event}: ${reason}` : event);
      };
    },
  });
}
