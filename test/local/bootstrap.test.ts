import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, isAlive, ROOT, runNode } from './stack/processes';

const BOOTSTRAP = 'local/bootstrap.mjs';
const LOCKFILE = JSON.stringify({
  packages: {
    '': { name: 'sample' },
    'node_modules/dep': { version: '1.2.3' },
    'node_modules/extra': { version: '1.0.0', optional: true },
  },
});
/** Stands in for npm: installs what the lockfile says, after a moment, and counts its runs. */
const FAKE_NPM = `
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
appendFileSync('runs', process.argv.slice(2).join(' ') + '\\n');
await new Promise((done) => setTimeout(done, 300));
mkdirSync('node_modules', { recursive: true });
writeFileSync('node_modules/.package-lock.json', process.env.FAKE_INSTALLED);
process.exit(Number(process.env.FAKE_EXIT ?? 0));
`;
const INSTALLED = JSON.stringify({ packages: { 'node_modules/dep': { version: '1.2.3' } } });

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bootstrap-'));
  mkdirSync(join(dir, 'local', 'stack'), { recursive: true });
  for (const file of [BOOTSTRAP, 'local/stack/with-parent.sh'])
    cpSync(join(ROOT, file), join(dir, file));
  writeFileSync(join(dir, 'package-lock.json'), LOCKFILE);
  writeFileSync(join(dir, 'npm.mjs'), FAKE_NPM);
  cpSync(join(dir, 'npm.mjs'), join(dir, 'npm-cli.js'));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** The set-up alone, in a checkout whose npm is the fake one. */
function setUp(nodeArgs: string[] = [], env: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [...nodeArgs, BOOTSTRAP],
      {
        cwd: dir,
        env: {
          ...process.env,
          npm_execpath: join(dir, 'npm-cli.js'),
          FAKE_INSTALLED: INSTALLED,
          ...env,
        },
      },
      (err, stdout, stderr) => done({ code: err === null ? 0 : Number(err.code), stdout, stderr }),
    );
  });
}

const runs = (): string[] => readFileSync(join(dir, 'runs'), 'utf8').trim().split('\n');

describe('node modules', () => {
  it('are installed when they are missing, and left alone afterwards', async () => {
    const first = await setUp();
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toMatch(/Installing node modules/);
    expect(await setUp()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(runs()).toEqual([expect.stringMatching(/^ci\b/)]);
  });

  it('are installed again when the lockfile has changed', async () => {
    await setUp();
    const changed = LOCKFILE.replace('1.2.3', '2.0.0');
    writeFileSync(join(dir, 'package-lock.json'), changed);
    await setUp([], { FAKE_INSTALLED: INSTALLED.replace('1.2.3', '2.0.0') });
    expect(runs()).toHaveLength(2);
  });

  it('that a person installed by hand are accepted when they are those of the lockfile', async () => {
    mkdirSync(join(dir, 'node_modules'));
    writeFileSync(join(dir, 'node_modules', '.package-lock.json'), INSTALLED);
    expect(await setUp()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(join(dir, 'runs'))).toBe(false);
  });

  it('are installed once by two who start at the same time', async () => {
    const [one, two] = await Promise.all([setUp(), setUp()]);
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(`${one.stderr}${two.stderr}`).toContain('Waiting for another process');
    expect(runs()).toHaveLength(1);
  });

  it('that cannot be installed end it with one line', async () => {
    const { code, stderr } = await setUp([], { FAKE_EXIT: '1', FAKE_INSTALLED: '{}' });
    expect(code).toBe(1);
    expect(stderr).toContain('The node modules could not be installed');
    expect(existsSync(join(dir, '.local', 'npm-ci.lock'))).toBe(false);
  });
});

describe('a Node that is too old', () => {
  it.each(['18.20.4', '20.18.9'])('is refused in one line: %s', async (version) => {
    const pretend = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'${version}'})`;
    const { code, stderr } = await setUp(['--import', pretend]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Node 20\.19 or newer is needed; this is .*\.\n$/);
  });
});

describe('the program', () => {
  /** Prints its process id and arguments, and waits. */
  const program = (text: string): string => {
    const file = join(dir, 'program.ts');
    writeFileSync(file, text);
    return file;
  };
  const WAITING = `
    process.on('SIGTERM', () => process.exit(9));
    console.log(JSON.stringify({ pid: process.pid, args: process.argv.slice(2) }));
    setTimeout(() => undefined, 60_000);
  `;
  const pidOf = (line: string): number => (JSON.parse(line) as { pid: number }).pid;

  it('gets the arguments, --help too, and gives its exit code', async () => {
    const file = program('console.log(process.argv.slice(2).join()); process.exit(5);');
    const script = runNode([BOOTSTRAP, file, '--help', 'a b']);
    expect([await script.firstLine, await script.ended]).toEqual(['--help,a b', 5]);
  });

  it('that does not exist is named', async () => {
    expect(await runNode([BOOTSTRAP, 'no/such/main.ts']).ended).toBe(1);
  });

  it('gets the signal that its starter gets', async () => {
    const script = runNode([BOOTSTRAP, program(WAITING)]);
    await script.firstLine;
    script.process.kill('SIGTERM');
    expect(await script.ended).toBe(9);
  });

  it('that dies of a signal shows as 128 and its number', async () => {
    const script = runNode([
      BOOTSTRAP,
      program(`console.log('x'); process.kill(process.pid, 'SIGKILL');`),
    ]);
    expect(await script.ended).toBe(137);
  });

  it('ends when its starter is killed with SIGKILL', async () => {
    const script = runNode([BOOTSTRAP, program(WAITING)]);
    const pid = pidOf(await script.firstLine);
    expect(isAlive(pid)).toBe(true);
    script.process.kill('SIGKILL');
    expect(await eventually(() => !isAlive(pid))).toBe(true);
  });
});
