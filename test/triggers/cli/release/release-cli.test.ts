import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../../../domain/environment';
import {
  loadConfig,
  parseAddOptions,
  parseInitOptions,
  parsePublishOptions,
  parseSignOptions,
} from '../../../../triggers/cli/release/config';

const ROOT = resolve(__dirname, '../../../..');
const MAIN = join(ROOT, 'triggers/cli/release/main.ts');

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'release-cli-'));
  // So that `--import tsx` is found from here.
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function release(args: string[]): Promise<Outcome> {
  const argv = ['--import', 'tsx', MAIN, ...args];
  const options = { cwd: dir, env: { PATH: process.env['PATH'] }, timeout: 60_000 };
  return new Promise((done) => {
    execFile(process.execPath, argv, options, (err, stdout, stderr) => {
      const code = typeof err?.code === 'number' ? err.code : err === null ? 0 : -1;
      done({ code, stdout, stderr });
    });
  });
}
const lastLine = ({ stdout }: Outcome): unknown =>
  JSON.parse(stdout.trim().split('\n').at(-1) ?? '');

describe('npm run release', () => {
  it('ships a firmware by the very commands of docs/releasing.md', async () => {
    mkdirSync(join(dir, 'build'));
    writeFileSync(join(dir, 'build/pump-1.4.0.tar'), 'firmware');
    const guide = readFileSync(join(ROOT, 'docs/releasing.md'), 'utf8');
    const block = /```sh\n([^`]*)```/.exec(guide)?.[1] ?? '';
    const commands = block.trim().split('\n');
    expect(commands).toHaveLength(5);
    const prefix = 'npm run release -- ';
    const outcomes: Outcome[] = [];
    for (const command of commands) {
      expect(command.startsWith(prefix)).toBe(true);
      outcomes.push(await release(command.slice(prefix.length).split(' ')));
    }
    expect(outcomes.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(
      Array(5).fill(''),
    );
    expect(outcomes[0]?.stdout).toContain('Ship this root with every device: releases/metadata');
    expect(outcomes[4]?.stdout).toContain('A device accepts this repository');
    // What a holder compares with the build before he signs.
    const sha256 = createHash('sha256').update('firmware').digest('hex');
    for (const listing of [1, 2]) expect(outcomes[listing]?.stdout).toContain(sha256);
    const said = outcomes.map(({ stdout, stderr }) => stdout + stderr).join('');
    const secret = readFileSync(join(dir, 'keys/offline/root-1.pem'), 'utf8').split('\n')[1] ?? '';
    expect(secret.length).toBeGreaterThan(40);
    expect(said).not.toContain(secret);

    const again = await release([
      'verify',
      '--json',
      '--root',
      'releases/metadata/1.root.json',
      '--from',
      'updates',
    ]);
    expect(lastLine(again)).toMatchObject({
      ok: true,
      releases: [{ name: 'pump/1.4.0.tar', version: '1.4.0', hardware: ['rev-a', 'rev-b'] }],
      metadata: { root: { daysLeft: 364 } },
    });
    rmSync(join(dir, 'updates/metadata/timestamp.json'));
    const broken = await release([
      'verify',
      '--json',
      '--root',
      'releases/metadata/1.root.json',
      '--from',
      'updates',
    ]);
    expect(broken.code).toBe(1);
    expect(lastLine(broken)).toMatchObject({
      ok: false,
      error: expect.stringContaining('A device would refuse'),
    });
  }, 180_000);

  it('tells what is wrong and how to mend it, with exit code 2', async () => {
    const wrong = await release([
      'add',
      '--json',
      'nothing.tar',
      '--version',
      '1',
      '--hardware',
      'a',
      '--name',
      '../up',
    ]);
    expect(wrong.code).toBe(2);
    expect(lastLine(wrong)).toMatchObject({
      ok: false,
      error: expect.stringContaining('name must be a path'),
    });
    expect((await release(['--help'])).stdout).toContain('publish');
    const nowhere = await release(['sign', '--dir', 'nowhere', '--dry-run']);
    expect(nowhere).toMatchObject({ code: 1 });
    expect(nowhere.stderr).toContain('nowhere is no release repository');
  }, 60_000);
});

describe('the options', () => {
  const add = { file: 'a.tar', version: '1.0.0', hardware: 'a,b' };
  it.each<[string, () => unknown, string]>([
    ['a name that climbs', () => parseAddOptions({ ...add, name: 'a/../../b' }), 'name'],
    ['an absolute name', () => parseAddOptions({ ...add, name: '/etc/passwd' }), 'name'],
    ['a file whose name can’t be one', () => parseAddOptions({ ...add, file: '.hidden' }), 'name'],
    ['a version with a space', () => parseAddOptions({ ...add, version: '1 0' }), 'version'],
    ['no hardware', () => parseAddOptions({ ...add, hardware: '' }), 'hardware'],
    ['hardware twice', () => parseAddOptions({ ...add, hardware: 'a,a' }), 'hardware'],
    ['release 0', () => parseAddOptions({ ...add, release: '0' }), 'release'],
    ['an epoch below 0', () => parseAddOptions({ ...add, securityEpoch: '-1' }), 'securityEpoch'],
    [
      'reverts and none',
      () => parseAddOptions({ ...add, revert: false, revertsTo: '1' }),
      'revertsTo',
    ],
    ['too few keys', () => parseInitOptions({ keys: 'k', threshold: '4' }), 'rootKeys'],
    ['no key', () => parseSignOptions({}), 'keys'],
    ['a look at a renewal', () => parseSignOptions({ dryRun: true, renew: 'root' }), 'dryRun'],
    ['another role', () => parseSignOptions({ keys: ['k'], renew: 'snapshot' }), 'renew'],
    [
      'a URL to publish to',
      () => parsePublishOptions({ to: 'https://a', onlineKeys: ['k'] }),
      'to',
    ],
    ['no bucket', () => parsePublishOptions({ to: 's3://', onlineKeys: ['k'] }), 'to'],
    [
      'a prefix that climbs',
      () => parsePublishOptions({ to: 's3://bucket/../x', onlineKeys: ['k'] }),
      'to',
    ],
    ['a region', () => loadConfig({ AWS_REGION: 'mars' }), 'AWS_REGION'],
  ])('refuse %s, naming the field', (_, parse, field) => {
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(new RegExp(`\\b${field}\\b`));
  });

  it('take S3 places with and without a prefix', () => {
    const to = (text: string) => parsePublishOptions({ to: text, onlineKeys: ['k'] }).to;
    expect(to('s3://bucket')).toEqual({ kind: 's3', bucket: 'bucket', prefix: '' });
    expect(to('s3://bucket/a/b/')).toEqual({ kind: 's3', bucket: 'bucket', prefix: 'a/b' });
    expect(parseAddOptions(add)).toMatchObject({ name: 'a.tar', hardware: ['a', 'b'] });
  });
});
