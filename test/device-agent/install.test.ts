import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AwsClients } from '../../activities/aws/clients';
import { startEmulator, type Emulator } from '../../local/stack/emulator';
import {
  createCertificate,
  createDevice,
  createJob,
  eventually,
  prepareAccount,
  readExecution,
} from '../support/devices';
import type { LogEntry } from './agents';

const ROOT = join(__dirname, '..', '..');
const FOLDER = join(ROOT, 'device-agent', 'install');
const SCRIPT = join(FOLDER, 'install.sh');
const UNIT = 'etc/systemd/system/iot-device-agent.service';
const ENV_FILE = 'etc/iot-device-agent/agent.env';
const PROGRAM = 'usr/local/lib/iot-device-agent/device-agent.js';
const STATE = 'var/lib/iot-device-agent';
let root: string;

beforeAll(async () => {
  await promisify(execFile)('npm', ['run', '-s', 'build:agent'], { cwd: ROOT });
}, 60_000);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'install-'));
});

function install(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(SCRIPT, args, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const installed = (path: string): string => readFileSync(join(root, path), 'utf8');
const modeOf = (path: string): number => statSync(join(root, path)).mode & 0o777;

/** The directives of a unit; each may be given more than once. */
function directives(unit: string, name: string): string[] {
  const lines = unit.split('\n').filter((line) => line.startsWith(`${name}=`));
  return lines.map((line) => line.slice(name.length + 1));
}

/** Runs a checker, or says that the system has none. */
function check(command: string, args: string[]): { status: number | null; output: string } | null {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) {
    process.stderr.write(`${command} is not installed, so nothing is checked with it\n`);
    return null;
  }
  return { status, output: stdout + stderr };
}

describe('the install script', () => {
  it('puts everything in place, and once more without touching the configuration', () => {
    expect(install('--root', root)).toMatchObject({ status: 0, stderr: '' });
    expect(modeOf(ENV_FILE)).toBe(0o600);
    expect(modeOf(STATE)).toBe(0o700);
    expect(installed(PROGRAM)).toBe(readFileSync(join(ROOT, 'dist', 'device-agent.js'), 'utf8'));
    writeFileSync(join(root, ENV_FILE), 'AGENT_THING=mine\n');
    writeFileSync(join(root, PROGRAM), 'an older one');
    expect(install('--root', root)).toMatchObject({ status: 0, stderr: '' });
    expect(installed(ENV_FILE)).toBe('AGENT_THING=mine\n');
    expect(installed(PROGRAM)).not.toBe('an older one');
    expect(readdirSync(join(root, PROGRAM, '..'))).toEqual(['device-agent.js']);
  });

  it('only says what it would do when asked to', () => {
    const { status, stdout } = install('--root', root, '--dry-run');
    expect(status).toBe(0);
    for (const path of [UNIT, ENV_FILE, PROGRAM, STATE]) expect(stdout).toContain(path);
    expect(readdirSync(root)).toEqual([]);
  });

  it('uninstalls all but configuration and state, twice if need be', () => {
    install('--root', root);
    const uninstall = () => install('--root', root, '--uninstall');
    expect(uninstall()).toMatchObject({ status: 0, stderr: '' });
    expect(uninstall()).toMatchObject({ status: 0, stderr: '' });
    expect([UNIT, PROGRAM, ENV_FILE, STATE].map((path) => existsSync(join(root, path)))).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it.each([
    [['--bogus'], /unknown option --bogus/],
    [['--root'], /--root needs a value/],
    [['--root', '/no/such/folder'], /there is no folder \/no\/such\/folder/],
    [['--root', 'here'], /absolute path/],
    [['--root', tmpdir(), '--user', 'x y'], /no user name/],
    [['--root', tmpdir(), '--node', '/bin/true x'], /--node may have letters/],
    [['--root', tmpdir(), '--node', '/bin/false'], /needs Node 20.19 or newer/],
    [['--root', tmpdir(), '--program', '/no/bundle.js'], /npm run build:agent/],
  ])('refuses %j in one line', (args, reason) => {
    const { status, stderr } = install(...args);
    expect(status).toBe(1);
    expect(stderr).toMatch(reason);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('explains itself, and is clean for shellcheck', () => {
    expect(install('--help').stdout).toContain('--uninstall');
    const checked = check('shellcheck', [SCRIPT]);
    if (checked !== null) expect(checked).toEqual({ status: 0, output: '' });
  });
});

describe('the unit', () => {
  beforeEach(() => {
    install('--root', root);
  });

  it('names only what was installed, and runs as an ordinary user that is restarted for ever', () => {
    const unit = installed(UNIT);
    expect(unit).not.toMatch(/@[A-Z_]+@/);
    const [command = ''] = directives(unit, 'ExecStart');
    expect(existsSync(command.split(' ')[0] ?? '')).toBe(true);
    expect(command.split(' ').at(-1)).toBe(`/${PROGRAM}`);
    expect(directives(unit, 'EnvironmentFile')).toEqual([`/${ENV_FILE}`]);
    expect(directives(unit, 'User')).toEqual(['iot-agent']);
    // A user that --user names may have no group of the same name.
    expect(directives(unit, 'Group')).toEqual([]);
    // An offline device runs its application all the same.
    expect(directives(unit, 'After')).toEqual(['network.target']);
    expect(directives(unit, 'Restart')).toEqual(['always']);
    expect(directives(unit, 'LimitCORE')).toEqual(['0']);
    expect(installed(ENV_FILE)).toContain(`AGENT_STATE_DIR=/${STATE}`);
    expect(directives(unit, 'StateDirectory')).toEqual(['iot-device-agent']);
  });

  it('passes systemd’s own checks, with little exposed', () => {
    const verified = check('systemd-analyze', ['verify', join(root, UNIT)]);
    if (verified === null) return;
    expect(verified).toEqual({ status: 0, output: '' });
    const threshold = ['--offline=true', '--threshold=20', '--no-pager'];
    const security = check('systemd-analyze', ['security', ...threshold, join(root, UNIT)]);
    expect(security?.output).toMatch(/exposure level[^\n]*: [01]\.\d OK/);
  });
});

describe('what was installed', () => {
  let emulator: Emulator;
  let clients: AwsClients;
  let agent: ChildProcess | null = null;

  beforeAll(async () => {
    emulator = await startEmulator();
    clients = await prepareAccount(emulator);
  }, 60_000);

  afterEach(() => void agent?.kill('SIGKILL'));
  afterAll(() => emulator.stop());

  /** As systemd would start it, but for the user and the sandbox. */
  function startInstalled(): LogEntry[] {
    const unit = installed(UNIT);
    const settings = directives(unit, 'Environment').flatMap((line) => line.split(' '));
    const command = (directives(unit, 'ExecStart')[0] ?? '').replace(` /${PROGRAM}`, '');
    const line = `set -a; . '${join(root, ENV_FILE)}'; exec ${command} '${join(root, PROGRAM)}'`;
    const env: Record<string, string> = {};
    for (const setting of settings) env[setting.split('=')[0] ?? ''] = setting.split('=')[1] ?? '';
    agent = spawn('/bin/sh', ['-c', line], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const entries: LogEntry[] = [];
    if (agent.stderr === null) throw new Error('no standard error');
    createInterface({ input: agent.stderr }).on('line', (text) => {
      entries.push(JSON.parse(text) as LogEntry);
    });
    return entries;
  }

  it('connects with the configuration that was filled in, and does its jobs', async () => {
    install('--root', root);
    const certificate = await createCertificate(clients.iot);
    const { thing } = await createDevice(clients.iot, 'installed', certificate);
    const folder = join(root, 'etc', 'iot-device-agent');
    symlinkSync(emulator.mqtt.caFile, join(folder, 'ca.pem'));
    symlinkSync(certificate.certFile, join(folder, 'certificate.pem'));
    symlinkSync(certificate.keyFile, join(folder, 'private.key'));
    const filledIn = installed(ENV_FILE)
      .replace('AGENT_THING=', `AGENT_THING=${thing}`)
      .replace('AGENT_HOST=', `AGENT_HOST=${emulator.mqtt.host}\nAGENT_PORT=${emulator.mqtt.port}`)
      .replace('AGENT_HARDWARE_VERSION=', 'AGENT_HARDWARE_VERSION=b')
      .replaceAll('=/etc/', `=${root}/etc/`)
      .replaceAll('=/var/', `=${root}/var/`);
    writeFileSync(join(root, ENV_FILE), filledIn);
    const entries = startInstalled();
    await eventually(
      () => entries.some(({ event }) => event === 'connected'),
      (connected) => connected,
    );
    const asked = { version: 1, requestedBy: 'test', operation: 'diagnostics', verb: 'status' };
    const jobId = 'installed-status';
    await createJob(emulator, clients.iot, { jobId, thing, document: JSON.stringify(asked) });
    const ended = await eventually(
      () => readExecution(clients.iot, thing, jobId),
      ({ status }) => status !== 'QUEUED' && status !== 'IN_PROGRESS',
    );
    expect(ended.status).toBe('SUCCEEDED');
    expect(existsSync(join(root, STATE, 'journal.json'))).toBe(true);
    agent?.kill('SIGTERM');
    await eventually(
      () => agent?.exitCode,
      (code) => code === 0,
    );
  }, 60_000);
});
