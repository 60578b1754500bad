import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createGuardTable } from '../../../../activities/aws/guard-table';
import { approverKeysFromFile } from '../../../../activities/guard/approver-keys';
import { createGuard } from '../../../../activities/guard/guard';
import { initialiseGuard } from '../../../../activities/guard/initialise';
import type { Guard } from '../../../../domain/guard/types';
import type { Emulator } from '../../../../local/stack/emulator';
import { startEmulator } from '../../../../local/stack/emulator';
import { freePort } from '../../../../local/stack/free-port';
import { dynamoClient, makeDynamoTable } from '../../../support/dynamo-guard-table';

const MAIN = resolve(__dirname, '../../../../triggers/cli/guard/main.ts');
const TABLE = 'guard-cli';

let emulator: Emulator;
let dir: string;
let env: NodeJS.ProcessEnv;
let guard: Guard;

beforeAll(async () => {
  emulator = await startEmulator();
  dir = await mkdtemp(join(tmpdir(), 'guard-cli-'));
  env = {
    PATH: process.env['PATH'],
    HOME: dir,
    AWS_REGION: emulator.region,
    AWS_ENDPOINT_URL: emulator.endpoint,
    AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
    GUARD_TABLE: TABLE,
  };
  const dynamo = dynamoClient(emulator);
  await initialiseGuard(await makeDynamoTable(dynamo, TABLE));
  guard = createGuard({
    table: createGuardTable(dynamo, TABLE),
    approverKeys: approverKeysFromFile(join(dir, '.config/iot-runbooks/approvers.json')),
    now: Date.now,
  });
}, 120_000);
afterAll(async () => {
  await emulator.stop();
  await rm(dir, { recursive: true });
});

async function run(args: string[], over: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    env: { ...env, ...over },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise((done) => child.on('close', done));
  return { code, stdout, stderr };
}
async function runJson(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await run([...args, '--json']);
  const last: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  if (typeof last !== 'object' || last === null) throw new Error(`no object: ${stdout}`);
  return { ...last };
}

describe('npm run guard', () => {
  it('shows help without any configuration', async () => {
    const { code, stdout } = await run(['--help'], { AWS_REGION: '' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/status[\s\S]*stop[\s\S]*resume[\s\S]*approve[\s\S]*AWS_REGION/);
  }, 30_000);

  it('stops every act and lets it go on again, and status tells', async () => {
    const reserved = await guard.reserve({
      owner: 'quarantine/t-1',
      workflowId: 'quarantine/t-1',
      things: ['t-1'],
      targetHash: 'hash',
    });
    if (!reserved.granted) throw new Error(reserved.explanation);
    expect((await run(['stop', '--reason', 'wrong devices', '--by', 'ada'])).code).toBe(0);
    await expect(guard.assertMayAct(reserved.lease)).rejects.toMatchObject({
      type: 'GuardStopped',
    });
    const shown = await run(['status']);
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toMatch(
      /Switch: stop since 20.*, by ada: wrong devices\n[^]*t-1 {2}reserved/,
    );

    expect(await runJson('resume', '--reason', 'found it', '--by', 'ada')).toMatchObject({
      ok: true,
    });
    await expect(guard.assertMayAct(reserved.lease)).resolves.toBeUndefined();
    expect(await runJson('status')).toMatchObject({
      ok: true,
      switch: { state: 'run', by: 'ada' },
      containedNow: 1,
      automaticCap: 1,
      leases: [{ thing: 't-1', owner: 'quarantine/t-1', state: 'reserved' }],
    });
  }, 60_000);

  it('shows a work lease in one line, however many devices it holds', async () => {
    const things = Array.from({ length: 120 }, (_, n) => `w-${n}`);
    const owner = 'ota/pump/1.4.0.tar';
    const { lease } = await guard.leaseForWork({ owner, things, lifeMs: 60_000 });
    const { stdout } = await run(['status']);
    expect(stdout).toMatch(
      /Work leases:\n {2}ota\/pump\/1\.4\.0\.tar {2}fence \d+ {2}expires 20\S+Z\n$/,
    );
    expect(await runJson('status')).toMatchObject({ work: [lease] });
    await guard.endWork(lease);
    expect((await run(['status'])).stdout).toMatch(/Work leases: none\n$/);
  }, 60_000);

  it('makes approvers and prints tokens that the guard takes', async () => {
    const scope = { workflowId: 'quarantine/t-2', targetHash: 'a'.repeat(64) };
    const approve = (as: string) =>
      runJson('approve', scope.workflowId, '--as', as, '--target', scope.targetHash);
    for (const name of ['ada', 'bob']) expect((await run(['approver', 'add', name])).code).toBe(0);
    expect(await runJson('approver', 'list')).toEqual({ ok: true, approvers: ['ada', 'bob'] });

    const { token } = await approve('ada');
    expect(await guard.approve({ ...scope, token: String(token) })).toEqual(['ada']);
    const other = { ...scope, targetHash: 'b'.repeat(64), token: String(token) };
    await expect(guard.approve(other)).rejects.toMatchObject({ type: 'ApprovalRejected' });
  }, 60_000);

  it('keeps private keys to their owner and out of the public file', async () => {
    const { privateKeyFile, approversFile } = await runJson('approver', 'add', 'eve');
    expect((await stat(String(privateKeyFile))).mode & 0o777).toBe(0o600);
    expect(await readFile(String(privateKeyFile), 'utf8')).toContain('"d"');
    const published: unknown = JSON.parse(await readFile(String(approversFile), 'utf8'));
    expect(published).toMatchObject({
      keys: expect.arrayContaining([expect.objectContaining({ kid: 'eve' })]),
    });
    expect(JSON.stringify(published)).not.toContain('"d"');
    const again = await run(['approver', 'add', 'eve']);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('already') });
  }, 60_000);

  it.each<[string, number, RegExp, string[], NodeJS.ProcessEnv?]>([
    ['an unknown command', 2, /unknown command/, ['destroy']],
    ['a stop without a reason', 2, /--reason/, ['stop', '--by', 'ada']],
    ['an empty reason', 2, /--reason must be/, ['stop', '--by', 'ada', '--reason', ' ']],
    ['no region', 2, /AWS_REGION/, ['status'], { AWS_REGION: '' }],
    [
      'an endpoint and a Temporal address that are none',
      2,
      /AWS_ENDPOINT_URL must be an http or https URL; TEMPORAL_ADDRESS must be host:port/,
      ['status'],
      { AWS_ENDPOINT_URL: 'here', TEMPORAL_ADDRESS: 'there' },
    ],
    ['a target that is no hash', 2, /--target/, ['approve', 'q/x', '--as', 'kim', '--target', '1']],
    [
      'an approver without a key here',
      1,
      /kim has no private key/,
      ['approve', 'q/x', '--as', 'kim'],
    ],
    ['a name that leaves its folder', 1, /name must be/, ['approver', 'add', '../kim']],
    [
      'a table that is not provisioned',
      1,
      /npm run provision/,
      ['status'],
      { GUARD_TABLE: 'none' },
    ],
  ])(
    'answers %s with exit code %d',
    async (_, code, message, args, over = {}) => {
      const withKey = args.includes('--target') ? await run(['approver', 'add', 'kim']) : null;
      expect(withKey?.code ?? 0).toBe(0);
      const { stderr, ...rest } = await run(args, over);
      expect(stderr).toMatch(message);
      expect(stderr).not.toContain('    at ');
      expect(rest).toMatchObject({ code, stdout: '' });
      if (withKey !== null) await rm(join(dir, '.config'), { recursive: true });
    },
    30_000,
  );

  it('prints failures as one JSON object too', async () => {
    const { stdout } = await run(['status', '--json'], { GUARD_TABLE: 'none' });
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      error: expect.stringContaining('provision'),
    });
  }, 30_000);

  it('names the way round a Temporal that does not answer', async () => {
    expect((await run(['approver', 'add', 'joe'])).code).toBe(0);
    const nowhere = { TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` };
    const { code, stderr } = await run(['approve', 'quarantine/t-1', '--as', 'joe'], nowhere);
    expect(code).toBe(1);
    expect(stderr).toMatch(/Temporal at 127.* does not answer.*--target/);
  }, 30_000);
});
