import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePorts } from '../../../local/stack/free-port';
import { emulatorPython } from '../../../local/stack/python-env';
import { START_TIMEOUT_MS } from './support';

const FOLDER = resolve(__dirname, '../../../local/emulator');
const patchNames = readdirSync(join(FOLDER, 'patches'))
  .filter((file) => file.endsWith('.py') && file !== '__init__.py')
  .map((file) => file.replace('.py', ''));

describe('the launcher', () => {
  let python: string;
  let directory: string;
  let ports: number[];
  beforeAll(async () => {
    python = await emulatorPython({ log: () => undefined });
    directory = mkdtempSync(join(tmpdir(), 'launch-'));
    ports = await freePorts(4);
  }, START_TIMEOUT_MS);
  afterAll(() => rmSync(directory, { recursive: true }));

  const launch = (env: Record<string, string>): ChildProcess =>
    spawn(python, [join(FOLDER, 'launch.py')], {
      env: {
        GATEWAY_PORT: String(ports[0]),
        IOT_MTLS_PORT: String(ports[1]),
        EMULATOR_HTTPS_PORT: String(ports[2]),
        EMULATOR_SNS_CERT_PORT: String(ports[3]),
        EMULATOR_DIR: directory,
        ...env,
      },
    });
  const ended = (child: ChildProcess): Promise<{ code: number | null; stderr: string }> =>
    new Promise((resolve) => {
      let stderr = '';
      child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.once('close', (code) => resolve({ code, stderr }));
    });
  const firstLine = (child: ChildProcess): Promise<string> =>
    new Promise((resolve) => {
      child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    });

  it.each([
    ['GATEWAY_PORT', ''],
    ['GATEWAY_PORT', '0'],
    ['IOT_MTLS_PORT', '65536'],
    ['EMULATOR_HTTPS_PORT', '8.5'],
    ['EMULATOR_SNS_CERT_PORT', '-1'],
    ['EMULATOR_POLICY_DELAY_MS', 'soon'],
    ['EMULATOR_SNS_RETRY_DELAY_MS', '٣'],
    ['EMULATOR_WITHOUT_PATCH', 'no_such_patch'],
  ])('refuses %s=%p with one line that names it', async (name, value) => {
    const { code, stderr } = await ended(launch({ [name]: value }));
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^emulator: ${name} .*\\n$`));
  });

  it('ends when its standard input does, as it does when the parent is killed', async () => {
    const child = launch({ EMULATOR_EXIT_WITH_STDIN: '1' });
    const end = ended(child);
    expect(JSON.parse(await firstLine(child))).toMatchObject({
      endpoint: `http://127.0.0.1:${ports[0]}`,
      mqtt: { port: ports[1], caFile: join(directory, 'iot-ca.pem') },
      https: { port: ports[2] },
      sns: { signingHost: `localhost:${ports[3]}`, caFile: join(directory, 'sns-ca.pem') },
    });
    child.stdin?.end();
    expect((await end).code).toBe(0);
  });

  it('ends on SIGTERM', async () => {
    const child = launch({});
    const end = ended(child);
    await firstLine(child);
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });

  it.each([0, 1, 2, 3])('says so when port %s of its four is taken', async (taken) => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as AddressInfo;
    const names = [
      'GATEWAY_PORT',
      'IOT_MTLS_PORT',
      'EMULATOR_HTTPS_PORT',
      'EMULATOR_SNS_CERT_PORT',
    ];
    const { code, stderr } = await ended(launch({ [names[taken] ?? '']: String(port) }));
    blocker.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/address already in use/i);
  });
});

describe('patches', () => {
  const source = (name: string) => readFileSync(join(FOLDER, 'patches', `${name}.py`), 'utf8');

  it('have a row each in the README', () => {
    const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8');
    const rows = [...readme.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
    expect(rows.toSorted()).toEqual(patchNames.toSorted());
  });

  it('have a test each that starts the emulator without them', () => {
    const tests = readdirSync(__dirname).map((file) => readFileSync(join(__dirname, file), 'utf8'));
    const left = tests.flatMap((text) =>
      [...text.matchAll(/withoutPatches: \[([^\]]*)\]/g)].map(([, names]) => names ?? ''),
    );
    expect(patchNames.filter((name) => !left.join(' ').includes(`'${name}'`))).toEqual([]);
  });

  it('state their gap, the AWS page and what they do', () => {
    const parts = [/^"""Gap: /, /^AWS pages?: /m, /^Does: /m];
    expect(patchNames.filter((name) => !parts.every((part) => part.test(source(name))))).toEqual(
      [],
    );
  });
});
