import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readReport } from './support/jest-report';
import { endLeftovers, MARK_VARIABLE, processesWith } from './support/leftovers';
import { runNode } from './local/stack/processes';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'runner-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('npm test', () => {
  /** Runs the real runner on a suite of its own. */
  async function run(files: Record<string, string>) {
    mkdirSync(join(dir, 'suite'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, 'suite', name), text);
    const config = JSON.stringify({ rootDir: join(dir, 'suite'), transform: {} });
    const script = runNode(['--import', 'tsx', 'test/main.ts', `--config=${config}`]);
    return { code: await script.ended, last: script.lines.at(-1) };
  }
  const PASSING = `test('a', () => {}); test('b', () => { if (!process.env.IOT_RUNBOOKS_TEST_TEMPORAL) throw new Error(); });`;

  it('ends with the count and 0 when all pass, with the address of a Temporal server set', async () => {
    expect(await run({ 'a.test.js': PASSING })).toEqual({ code: 0, last: '2 passed, 0 failed' });
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

  it('ends with 1 when no test ran', async () => {
    expect(await run({})).toEqual({ code: 1, last: '0 passed, 1 failed' });
  }, 60_000);
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
