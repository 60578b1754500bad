import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startChild, type Child } from '../../../local/stack/child';
import { eventually, isAlive } from './processes';

let dir: string;
const started: Child[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'child-'));
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop()));
  rmSync(dir, { recursive: true, force: true });
});

/** Starts a shell script and waits for its first line of output. */
async function shell(
  script: string,
  stopTimeoutMs?: number,
): Promise<{ child: Child; line: string }> {
  let seen: (line: string) => void = () => undefined;
  const first = new Promise<string>((resolve) => {
    seen = resolve;
  });
  const child = startChild({
    name: 'shell',
    command: '/bin/sh',
    args: ['-c', script],
    dir,
    onLine: seen,
    ...(stopTimeoutMs !== undefined && { stopTimeoutMs }),
  });
  started.push(child);
  return { child, line: await first };
}

describe('a child process', () => {
  it('has the process id of the command itself', async () => {
    const { child, line } = await shell('echo $$; exec sleep 60');
    expect(Number(line)).toBe(child.pid);
  });

  it('ends on SIGTERM when asked to stop', async () => {
    const { child } = await shell('trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done');
    await child.stop();
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  it('is killed when it does not heed SIGTERM', async () => {
    const { child } = await shell('trap "" TERM; echo ready; while :; do sleep 0.05; done', 200);
    await child.stop();
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('takes along what it started', async () => {
    const { child, line } = await shell('sleep 60 & echo $!; exec sleep 60');
    expect(isAlive(Number(line))).toBe(true);
    await child.stop();
    expect(await eventually(() => !isAlive(Number(line)))).toBe(true);
  });

  it('can be stopped twice, and after it has ended by itself', async () => {
    const { child } = await shell('echo done');
    await child.exited;
    await Promise.all([child.stop(), child.stop()]);
    expect(child.running()).toBe(false);
  });

  it('reports the exit code of its own ending', async () => {
    const { child } = await shell('echo bye; exit 7');
    expect(await child.exited).toEqual({ code: 7, signal: null });
  });

  it('reports a command that does not exist, with the reason', async () => {
    const child = startChild({ name: 'missing', command: join(dir, 'no-such-command') });
    expect((await child.exited).code).toBe(127);
    expect(child.tail()).toContain('no-such-command');
  });

  it('has its output kept in a file with times', async () => {
    const { child } = await shell('echo out; echo err >&2');
    await child.exited;
    const logged = await eventually(() =>
      readFileSync(join(dir, 'shell.log'), 'utf8').includes('err'),
    );
    expect(logged).toBe(true);
    const lines = readFileSync(join(dir, 'shell.log'), 'utf8').trim().split('\n').sort();
    expect(lines).toHaveLength(2);
    expect(lines.join('\n')).toMatch(/^\d{4}-\d\d-\d\dT\S+ std(out|err) (out|err)$/m);
  });
});
