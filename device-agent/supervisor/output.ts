import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { LineSplitter, MAX_LINE } from './protocol';

/** The lines of standard output, so many a second: beyond that the pipe is left full and the process has to wait. */
export function readLines(
  child: ChildProcessWithoutNullStreams,
  maxPerSecond: number,
  onLine: (line: string) => void,
): void {
  const splitter = new LineSplitter(onLine);
  let budget = maxPerSecond;
  const refill = setInterval(() => {
    budget = maxPerSecond;
    child.stdout.resume();
  }, 1_000);
  child.once('close', () => clearInterval(refill));
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    // Text without line ends costs too.
    budget -= splitter.push(chunk) + chunk.length / MAX_LINE;
    if (budget <= 0) child.stdout.pause();
  });
}
