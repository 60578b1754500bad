import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deviceKey } from '../../../../local/stack/device-keys';
import { startEmulator, type Emulator } from '../../../../local/stack/emulator';
import { ConfigError } from '../../../../domain/environment';
import {
  loadConfig,
  parseDeviceOptions,
  parseFleetOptions,
} from '../../../../triggers/cli/provision/config';

const MAIN = resolve(__dirname, '../../../../triggers/cli/provision/main.ts');

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

function provision(args: string[], env: Record<string, string>): Promise<Outcome> {
  const argv = ['--import', 'tsx', MAIN, ...args];
  const options = { env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 };
  return new Promise((done) => {
    execFile(process.execPath, argv, options, (err, stdout, stderr) => {
      done({
        code: typeof err?.code === 'number' ? err.code : err === null ? 0 : -1,
        stdout,
        stderr,
      });
    });
  });
}
const lastLine = ({ stdout }: Outcome): Record<string, unknown> =>
  JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;

describe('npm run provision', () => {
  let emulator: Emulator;
  let env: Record<string, string>;
  let dir: string;
  const fleet = ['--no-temporal', '--json', '--sites', 'north,south', '--hardware', 'v1'];

  beforeAll(async () => {
    emulator = await startEmulator();
    dir = await mkdtemp(join(tmpdir(), 'provision-cli-'));
    env = {
      AWS_REGION: emulator.region,
      AWS_ACCOUNT_ID: emulator.accountId,
      AWS_ENDPOINT_URL: emulator.endpoint,
      AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
    };
  });
  afterAll(async () => {
    await emulator.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('shows the diff, makes it, and then finds nothing to do', async () => {
    const dry = await provision([...fleet, '--dry-run'], env);
    expect(dry.code).toBe(0);
    expect(lastLine(dry)).toMatchObject({ ok: true, dryRun: true, conflicts: 0 });
    expect(lastLine(dry)['created']).toBeGreaterThan(20);

    const made = await provision(fleet, env);
    expect(made).toMatchObject({ code: 0 });
    expect(made.stderr).toContain('+ policy iot-runbooks-quarantine');
    expect(lastLine(made)).toMatchObject({ ok: true, lastWills: 'not detectable' });

    const again = await provision(fleet, env);
    expect(lastLine(again)).toMatchObject({ ok: true, created: 0, updated: 0, changes: [] });

    const person = await provision(['--no-temporal', '--dry-run', '--sites', 'east'], env);
    expect(person.stdout).toContain('+ thing group site-east');
    expect(person.stdout).toContain('1 to be created, 0 to be changed');
  }, 120_000);

  it('enrols a device from a request and writes its certificate', async () => {
    const { csrPem } = await deviceKey('cli-device');
    const [csr, out] = [join(dir, 'csr.pem'), join(dir, 'cert.pem')];
    await writeFile(csr, csrPem);
    const args = ['device', 'cli-device', '--site', 'north', '--hardware', 'v1', '--csr', csr];
    const enrolled = await provision([...args, '--out', out, '--json'], env);
    expect(enrolled).toMatchObject({ code: 0 });
    expect(lastLine(enrolled)).toMatchObject({ ok: true, thing: 'cli-device' });
    expect(await readFile(out, 'utf8')).toContain('BEGIN CERTIFICATE');
  }, 60_000);

  it('fails with one line of JSON when AWS does not answer', async () => {
    const away = { ...env, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' };
    const failed = await provision(fleet, away);
    expect(failed.code).toBe(1);
    expect(lastLine(failed)).toMatchObject({ ok: false });
    expect(failed.stderr).not.toContain('    at ');
  }, 60_000);

  it('names every wrong variable at once, and helps without any', async () => {
    const wrong = await provision(['--json'], { AWS_REGION: '../etc', AWS_ACCOUNT_ID: '12' });
    expect(wrong.code).toBe(2);
    expect(lastLine(wrong)['error']).toMatch(/AWS_REGION must be.*AWS_ACCOUNT_ID must be/);
    expect(await provision(['--help'], {})).toMatchObject({ code: 0 });
    expect(await provision(['--no-such-option'], env)).toMatchObject({ code: 2 });
    expect(await provision(['surplus'], env)).toMatchObject({ code: 2 });
  }, 60_000);
});

describe('the options of npm run provision', () => {
  it.each<[string, object, RegExp]>([
    ['a site with a slash', { sites: 'north,so/uth' }, /sites/],
    ['an empty site', { sites: 'north,,south' }, /sites/],
    ['a site named twice', { sites: 'a,a' }, /sites names one twice/],
    ['a wildcard', { hardware: '*' }, /hardware/],
    ['a very long name', { sites: 'x'.repeat(65) }, /sites/],
    ['a webhook that is no URL', { webhookUrl: 'javascript:alert(1)' }, /webhookUrl/],
    ['a Temporal address without a port', { temporal: 'localhost' }, /temporal/],
  ])('refuse %s, naming the field', (_, options, message) => {
    expect(() => parseFleetOptions(options)).toThrow(ConfigError);
    expect(() => parseFleetOptions(options)).toThrow(message);
  });

  const device = { thing: 'a', site: 's', hardware: 'h', csr: 'f' };
  it.each<[string, object, RegExp]>([
    ['a thing with a colon', { ...device, thing: 'a:b' }, /thing/],
    ['a thing that climbs', { ...device, thing: '../a' }, /thing/],
    ['a newline', { ...device, site: 'a\nb' }, /site/],
    ['no credential', { ...device, csr: undefined }, /exactly one/],
    ['two credentials', { ...device, certificate: 'x' }, /exactly one/],
    [
      'an ARN of something else',
      { ...device, csr: undefined, certificateArn: 'arn:aws:s3:::x' },
      /certificateArn/,
    ],
    ['a threshold of 0', { ...device, alarmThreshold: '0' }, /alarmThreshold/],
    ['a period AWS has not', { ...device, alarmPeriod: '45' }, /alarmPeriod/],
    ['a number that is none', { ...device, alarmThreshold: '1e3' }, /alarmThreshold/],
  ])('refuse %s for a device, naming the field', (_, options, message) => {
    expect(() => parseDeviceOptions(options)).toThrow(ConfigError);
    expect(() => parseDeviceOptions(options)).toThrow(message);
  });

  it('take what is well formed', () => {
    expect(parseFleetOptions({ sites: 'north, south' })).toMatchObject({
      sites: ['north', 'south'],
      hardware: [],
      temporal: true,
    });
    expect(parseDeviceOptions({ ...device, alarmThreshold: '5' })).toMatchObject({
      alarmThreshold: 5,
      alarmPeriod: 60,
    });
    expect(
      loadConfig({
        AWS_REGION: 'cn-north-1',
        AWS_ACCOUNT_ID: '123456789012',
        AWS_ENDPOINT_URL: '',
      }),
    ).toMatchObject({
      place: { partition: 'aws-cn' },
    });
  });
});
