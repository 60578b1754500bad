import { spawn } from 'node:child_process';
import type { Logger } from 'pino';

const BEATS_PER_LIMIT = 4;

/**
 * Reads a beat at a time. None within the limit: the event loop stands still, and nothing within the process can
 * end it. The end of the pipe: the agent has ended by itself. The parent's id is checked against its start, so that
 * no process that came to its number later is hit.
 */
const SENTINEL = `
born=$(cut -d' ' -f22 "/proc/$PPID/stat")
while :; do
  beat=$(timeout "$1" head -c 1)
  status=$?
  [ "$status" = 124 ] && break
  [ -n "$beat" ] || exit 0
done
[ "$(cut -d' ' -f22 "/proc/$PPID/stat")" = "$born" ] && kill -9 "$PPID"
`;

/**
 * Has the process killed, for its supervisor to start it anew, where its event loop has stood still for the limit.
 * A shell of a few hundred kilobytes beside the agent: a worker thread costs 10 MiB, a second Node forty, and Node
 * can't speak the datagrams of systemd's WatchdogSec. Without a shell the agent runs all the same. Nothing that a job
 * says gets there: the text above is all it runs.
 */
export function startHeartbeat(limitMs: number, log: Logger): () => void {
  const seconds = String(Math.max(1, Math.ceil(limitMs / 1_000)));
  const child = spawn('/bin/sh', ['-c', SENTINEL, 'agent-heartbeat', seconds], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  });
  child.on('error', (error) => log.warn({ event: 'no heartbeat', reason: error.message }));
  child.stdin.on('error', () => undefined);
  child.unref();
  const beat = (): void => {
    if (child.stdin.writable && !child.stdin.writableNeedDrain) child.stdin.write('.');
  };
  const timer = setInterval(beat, limitMs / BEATS_PER_LIMIT);
  timer.unref();
  return () => {
    clearInterval(timer);
    child.stdin.end();
  };
}
