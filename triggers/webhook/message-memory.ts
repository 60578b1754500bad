/** Remembers accepted message ids for as long as their signatures are taken. */
export interface MessageMemory {
  has(id: string): boolean;
  /** Called after acceptance only: a message that was answered with "try again" must not count as seen. */
  remember(id: string): void;
}

export interface MessageMemoryOptions {
  /** Milliseconds. Twice the accepted age: a timestamp may lie that far ahead. */
  keepMs: number;
  /** Beyond it the oldest ids go; Temporal's rejection of a second intake still holds then. */
  limit: number;
  now?: () => number;
}

export function createMessageMemory(options: MessageMemoryOptions): MessageMemory {
  const now = options.now ?? Date.now;
  const seen = new Map<string, number>();

  function forgetOld(): void {
    for (const [id, at] of seen) {
      if (seen.size <= options.limit && at > now() - options.keepMs) return;
      seen.delete(id);
    }
  }

  return {
    has: (id) => (seen.get(id) ?? Number.NEGATIVE_INFINITY) > now() - options.keepMs,
    remember(id) {
      seen.delete(id);
      seen.set(id, now());
      forgetOld();
    },
  };
}
