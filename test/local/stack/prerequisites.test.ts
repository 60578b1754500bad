import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emulatorPython } from '../../../local/stack/python-env';
import { findTemporal } from '../../../local/stack/temporal-binary';

let dir: string;
let env: { PATH: string; XDG_CACHE_HOME: string };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'prerequisites-'));
  env = { PATH: join(dir, 'bin'), XDG_CACHE_HOME: join(dir, 'cache') };
  mkdirSync(env.PATH);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Puts a shell script on the PATH that is searched. */
function command(name: string, script: string): string {
  const file = join(env.PATH, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** A Go that "builds" after a moment and counts its runs. */
const BUILDING_GO = (counter: string) =>
  `echo run >> ${counter}; sleep 0.3; while [ "$1" != -o ]; do shift; done; printf built > "$2"`;

describe('the Temporal server', () => {
  it('is missed in one clear line when nothing can provide it', async () => {
    const failure = await findTemporal({ env }).catch((err: unknown) => err);
    expect(failure).toBeInstanceOf(Error);
    expect(String(failure)).toMatch(
      /^Error: No Temporal server: install Go 1\.26.*temporal CLI.*Docker\.$/,
    );
  });

  it('is the one on PATH before all others', async () => {
    const file = command('temporal', 'exit 0');
    command('go', 'exit 1');
    expect(await findTemporal({ env })).toEqual({ source: 'path', command: file });
  });

  it('is built with Go once, with a word on how long, and found again without Go', async () => {
    const counter = join(dir, 'runs');
    const go = command('go', BUILDING_GO(counter));
    const progress: string[] = [];
    const built = await findTemporal({ env, log: (line) => progress.push(line) });
    expect(progress[0]).toMatch(/minutes/);
    rmSync(go);
    expect([built, await findTemporal({ env })]).toEqual([
      { source: 'built', command: built.command },
      { source: 'cache', command: built.command },
    ]);
    expect(readFileSync(built.command, 'utf8')).toBe('built');
  });

  it('is built once by two who need it at the same time', async () => {
    const counter = join(dir, 'runs');
    command('go', BUILDING_GO(counter));
    const progress: string[] = [];
    const [one, two] = await Promise.all([
      findTemporal({ env, log: (line) => progress.push(line) }),
      findTemporal({ env, log: (line) => progress.push(line) }),
    ]);
    expect(one.command).toBe(two.command);
    expect(readFileSync(counter, 'utf8')).toBe('run\n');
    expect(progress).toContain('Waiting for another process that is building the Temporal server');
  });

  it('is not half there after a build that failed', async () => {
    command(
      'go',
      'while [ "$1" != -o ]; do shift; done; printf half > "$2"; echo "go.mod requires go >= 1.26" >&2; exit 1',
    );
    await expect(findTemporal({ env })).rejects.toThrow(
      /needs Go 1\.26[^]*go\.mod requires go >= 1\.26/,
    );
    rmSync(join(env.PATH, 'go'));
    await expect(findTemporal({ env })).rejects.toThrow('No Temporal server');
  });

  it('is taken over from a builder that died', async () => {
    const counter = join(dir, 'runs');
    command('go', BUILDING_GO(counter));
    const { command: target } = await findTemporal({ env });
    rmSync(target);
    const folder = readdirSync(join(env.XDG_CACHE_HOME, 'iot-runbooks'))[0] ?? '';
    const DEAD = 2 ** 22 + 1;
    writeFileSync(join(env.XDG_CACHE_HOME, 'iot-runbooks', `${folder}.lock`), String(DEAD));
    expect((await findTemporal({ env })).source).toBe('built');
  });

  it('comes from Docker when an engine answers, and only then', async () => {
    const file = command('docker', 'exit 0');
    expect(await findTemporal({ env })).toMatchObject({ source: 'docker', command: file });
    command('docker', 'exit 1');
    await expect(findTemporal({ env })).rejects.toThrow('No Temporal server');
  });
});

describe('the Python environment of the AWS emulator', () => {
  it('is missed in one clear line without Python', async () => {
    const failure = await emulatorPython({ env }).catch((err: unknown) => err);
    expect(String(failure)).toMatch(/^Error: No Python: install Python 3.*venv.*needs it\.$/);
  });

  it('is missed with the same line when Python has no venv', async () => {
    command('python3', 'echo "No module named venv" >&2; exit 1');
    await expect(emulatorPython({ env })).rejects.toThrow(/^No Python: .*\n.*No module named venv/);
  });

  it('is made once by two who need it at the same time, and found again', async () => {
    const counter = join(dir, 'runs');
    const python =
      'while [ $# -gt 1 ]; do shift; done; mkdir -p "$1/bin"; printf "#!/bin/sh\\nexit 0\\n" > "$1/bin/python"; chmod +x "$1/bin/python"';
    command('python3', `PATH=/usr/bin:/bin; echo run >> ${counter}; sleep 0.2; ${python}`);
    const interpreters = await Promise.all([emulatorPython({ env }), emulatorPython({ env })]);
    interpreters.push(await emulatorPython({ env }));
    expect(new Set(interpreters).size).toBe(1);
    expect(existsSync(interpreters[0])).toBe(true);
    expect(readFileSync(counter, 'utf8')).toBe('run\n');
  });

  it('is made again when the first attempt was cut short', async () => {
    command(
      'python3',
      'PATH=/usr/bin:/bin; while [ $# -gt 1 ]; do shift; done; mkdir -p "$1/bin"; printf "#!/bin/sh\\nexit 1\\n" > "$1/bin/python"; chmod +x "$1/bin/python"',
    );
    await expect(emulatorPython({ env })).rejects.toThrow('could not be installed');
    command(
      'python3',
      'PATH=/usr/bin:/bin; while [ $# -gt 1 ]; do shift; done; mkdir -p "$1/bin"; printf "#!/bin/sh\\nexit 0\\n" > "$1/bin/python"; chmod +x "$1/bin/python"',
    );
    expect(await emulatorPython({ env })).toMatch(/bin\/python$/);
  });
});
