import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lanesOf, laneAddress } from './support/lanes';
import { readReport } from './support/jest-report';
import { endLeftovers, MARK_VARIABLE, processesWith } from './support/leftovers';
import { eventually, isAlive, runNode, type Script } from './local/stack/processes';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'runner-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('npm test', () => {
  /** Runs the real runner on a suite of its own, in one lane unless told. */
  async function run(files: Record<string, string>, options = ['--runInBand']) {
    const script = start(files, options);
    return { code: await script.ended, last: script.lines.at(-1) };
  }

  function start(files: Record<string, string>, options: string[]): Script {
    mkdirSync(join(dir, 'suite'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, 'suite', name), text);
    const config = JSON.stringify({ rootDir: join(dir, 'suite'), transform: {} });
    const args = [`--config=${config}`, ...options];
    return runNode(['--import', 'tsx', 'test/main.ts', ...args]);
  }
  const PASSING = `test('a', () => {}); test('b', () => { if (!process.env.IOT_RUNBOOKS_TEST_TEMPORAL) throw new Error(); });`;

  it('ends with the count and 0 when all pass, with the address of a Temporal server set', async () => {
    expect(await run({ 'a.test.js': PASSING })).toEqual({ code: 0, last: '2 passed, 0 failed' });
  }, 60_000);

  it('runs files in lanes at once, each with a Temporal server of its own', async () => {
    const meeting = (own: string, other: string): string => `
      const { existsSync, writeFileSync } = require('node:fs');
      const { join } = require('node:path');
      test('meets the file of the other lane', async () => {
        writeFileSync(join(__dirname, '${own}'), process.env.JEST_WORKER_ID);
        while (!existsSync(join(__dirname, '${other}'))) await new Promise((done) => setTimeout(done, 20));
        expect(new Set(process.env.IOT_RUNBOOKS_TEST_TEMPORAL.split(',')).size).toBe(3);
      }, 20_000);`;
    const files = { 'a.test.js': meeting('a', 'b'), 'b.test.js': meeting('b', 'a') };
    expect(await run(files, [])).toEqual({ code: 0, last: '2 passed, 0 failed' });
    const lanes = ['a', 'b'].map((name) => readFileSync(join(dir, 'suite', name), 'utf8'));
    expect(new Set(lanes).size).toBe(2);
  }, 60_000);

  it('ends with 1 when a test fails or a file cannot run', async () => {
    const files = {
      'a.test.js': PASSING,
      'b.test.js': `test('c', () => { throw new Error('no'); });`,
      'c.test.js': 'this is no JavaScript',
    };
    expect(await run(files)).toEqual({ code: 1, last: '2 passed, 2 failed' });
  }, 60_000);

  it('ends with 1 when a process is left behind', async () => {
    const left = `
      const { spawn } = require('node:child_process');
      test('leaves', () => { spawn('sleep', ['300'], { detached: true, stdio: 'ignore' }).unref(); });
    `;
    expect(await run({ 'a.test.js': left })).toEqual({ code: 1, last: '1 passed, 1 failed' });
  }, 60_000);

  it('ends every lane and its processes at Ctrl-C, and says so', async () => {
    const endless = `
      const { spawn } = require('node:child_process');
      const { join } = require('node:path');
      test('never ends', async () => {
        const child = spawn('sleep', ['300'], { stdio: 'ignore' });
        require('node:fs').writeFileSync(join(__dirname, 'pid-' + child.pid), '');
        await new Promise((done) => setTimeout(done, 300_000));
      }, 400_000);`;
    const script = start({ 'a.test.js': endless, 'b.test.js': endless }, []);
    const pids = () =>
      readdirSync(join(dir, 'suite')).flatMap((name) => name.match(/^pid-(\d+)$/)?.[1] ?? []);
    while (pids().length < 2) await sleep(50);
    script.process.kill('SIGINT');
    // The stop, and no report.
    expect(await script.ended).toBe(1);
    expect(script.lines.at(-1)).toBe('0 passed, 2 failed');
    expect(await eventually(() => !pids().some((pid) => isAlive(Number(pid))))).toBe(true);
  }, 60_000);

  it('ends with 1 when no test ran', async () => {
    expect(await run({})).toEqual({ code: 1, last: '0 passed, 1 failed' });
  }, 60_000);
});

describe('the lanes', () => {
  it.each([
    [[], 3, ['--maxWorkers=3']],
    [['workflows'], 3, ['workflows', '--maxWorkers=3']],
    [['--runInBand'], 1, ['--runInBand']],
    [['-i', 'guard'], 1, ['-i', 'guard']],
    [['--maxWorkers=2'], 2, ['--maxWorkers=2']],
    [['-w', '4'], 4, ['-w', '4']],
  ])('of %j are %d', (args, lanes, jestArgs) => {
    expect(lanesOf(args)).toEqual({ lanes, jestArgs });
  });

  it.each([['--maxWorkers=50%'], ['--maxWorkers=0'], ['-w']])(
    'can’t be chosen by %s, which has no number of servers',
    (arg) => {
      expect(() => lanesOf([arg])).toThrow(/--maxWorkers: needs a number from 1 to 99/);
    },
  );

  it('have each a server', () => {
    expect(['1', '2', undefined].map((id) => laneAddress('first,second', id))).toEqual([
      'first',
      'second',
      'first',
    ]);
    expect(() => laneAddress('first,second', '3')).toThrow(/no server for lane 3/);
  });
});

describe('the report', () => {
  it('of a Jest that ended without one is a failure', async () => {
    expect(await readReport(join(dir, 'none.json'))).toEqual({
      passed: 0,
      skipped: 0,
      failures: ['Jest ended without a report'],
    });
  });
});

describe('leftovers', () => {
  it('are found by their mark and ended', async () => {
    const mark = randomUUID();
    const child = spawn('sleep', ['300'], { env: { ...process.env, [MARK_VARIABLE]: mark } });
    const ended = new Promise((done) => child.once('exit', (_code, signal) => done(signal)));
    expect([...(await processesWith(mark)).values()]).toEqual(['sleep 300']);
    expect(await endLeftovers(mark)).toEqual(['sleep 300']);
    expect(await ended).toBe('SIGKILL');
  });
});
