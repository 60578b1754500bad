/** The demo's story, a line an event, with seconds since it began. */
export interface Timeline {
  tell(what: string, at?: number): void;
}

export function createTimeline(write: (line: string) => void): Timeline {
  const begun = Date.now();
  return {
    tell(what, at = Date.now()) {
      const seconds = ((at - begun) / 1000).toFixed(2).padStart(7);
      write(`${new Date(at).toISOString().slice(11, 23)} ${seconds} s  ${what}`);
    },
  };
}
