import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateJobCommand, type JobExecution } from '@aws-sdk/client-iot';
import { CreateBucketCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import type { AwsClients } from '../../../activities/aws/clients';
import { LogLevel } from '../../../device-agent/diagnostics/log-level';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { createDevice, eventually, prepareAccount, readExecution } from '../../support/devices';
import { recordingLog, startAgent, type LogEntry } from '../agents';

const BUCKET = 'evidence';

describe('diagnostics asked for by a job', () => {
  let emulator: Emulator;
  let clients: AwsClients;
  let roleArn: string;
  beforeAll(async () => {
    emulator = await startEmulator();
    clients = await prepareAccount(emulator);
    roleArn = await prepareBucket(clients);
  }, 180_000);
  afterAll(() => emulator.stop());

  async function run(thing: string, jobId: string, document: object): Promise<JobExecution> {
    await clients.iot.send(
      new CreateJobCommand({
        jobId,
        targets: [`arn:aws:iot:${emulator.region}:${emulator.accountId}:thing/${thing}`],
        document: JSON.stringify({ version: 1, requestedBy: 'logs/test/1', ...document }),
        presignedUrlConfig: { roleArn, expiresInSec: 60 },
      }),
    );
    return eventually(
      () => readExecution(clients.iot, thing, jobId),
      ({ status }) => status !== 'QUEUED' && status !== 'IN_PROGRESS',
      25_000,
    );
  }

  it('lands in the store as the status details say, from a contained device too', async () => {
    const device = await createDevice(clients.iot, 'pump-1');
    const log = join(device.dir, 'app.log');
    writeFileSync(log, 'started\nlogin with password=hunter2secret\n');
    const { port } = new URL(emulator.endpoint);
    const diagnostics = { applicationLog: log, uploadOrigins: [`http://localhost:${port}`] };
    const { agent, entries } = await startAgent(emulator, device, { diagnostics });
    await run('pump-1', 'contain', { operation: 'contain', reason: 'floods' });
    const key = 'logs/${thingName}/${jobId}/${executionNumber}.gz';
    const execution = await run('pump-1', 'collect', {
      operation: 'diagnostics',
      verb: 'collect',
      items: [{ kind: 'system' }, { kind: 'applicationLog' }, { kind: 'journal' }],
      uploadUrl:
        '${aws:iot:s3-presigned-url-upload:' +
        `https://s3.eu-west-1.amazonaws.com/${BUCKET}/${key}}`,
    });
    const details = execution.statusDetails?.detailsMap ?? {};
    expect(execution.status).toBe('SUCCEEDED');
    const stored = await clients.s3.send(
      new GetObjectCommand({ Bucket: BUCKET, Key: 'logs/pump-1/collect/1.gz' }),
    );
    const bundle = Buffer.from((await stored.Body?.transformToByteArray()) ?? []);
    expect(details).toMatchObject({
      uploaded: 'true',
      sha256: createHash('sha256').update(bundle).digest('hex'),
      bytes: String(bundle.length),
      truncated: 'false',
    });
    const text = gunzipSync(bundle).toString();
    expect(text).toContain('login with password=[redacted:pair]');
    expect(text).toContain('floods');
    const everywhere = JSON.stringify([entries, details, text]);
    expect(everywhere).not.toContain('hunter2');
    expect(everywhere).not.toContain('X-Amz-Signature');
    expect(readdirSync(join(device.dir, 'state', 'diagnostics'))).toEqual([]);
    await agent.stop();
  });

  it('is refused where the device does not upload, and where the placeholder is no URL', async () => {
    const { agent } = await startAgent(emulator, await createDevice(clients.iot, 'pump-2'));
    const collect = { operation: 'diagnostics', verb: 'collect', items: [{ kind: 'system' }] };
    const elsewhere = await run('pump-2', 'elsewhere', {
      ...collect,
      uploadUrl: 'https://evil.example/x',
    });
    expect(elsewhere).toMatchObject({ status: 'REJECTED' });
    expect(elsewhere.statusDetails?.detailsMap?.['reason']).toContain('diagnostics.uploadOrigins');
    const wrong = await run('pump-2', 'wrong', { ...collect, uploadUrl: '${aws:iot:thing}' });
    expect(wrong).toMatchObject({ status: 'REJECTED' });
    expect(wrong.statusDetails?.detailsMap?.['reason']).toContain('uploadUrl: must be the URL');
    await agent.stop();
  });

  it('raises the log level for a time, and says so', async () => {
    const device = await createDevice(clients.iot, 'pump-3');
    const { agent } = await startAgent(emulator, device);
    const raise = { operation: 'diagnostics', verb: 'logLevel', level: 'warn', forSeconds: 600 };
    const execution = await run('pump-3', 'level', raise);
    const until = execution.statusDetails?.detailsMap?.['until'] ?? '';
    expect(execution.statusDetails?.detailsMap).toMatchObject({ level: 'warn' });
    expect(agent.status()).toMatchObject({ logLevel: `warn until ${until}` });
    await agent.stop();
  });
});

async function prepareBucket({ s3, iam }: AwsClients): Promise<string> {
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const policy = (statement: object): string =>
    JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] });
  const role = await iam.send(
    new CreateRoleCommand({
      RoleName: 'upload',
      AssumeRolePolicyDocument: policy({
        Principal: { Service: 'iot.amazonaws.com' },
        Action: 'sts:AssumeRole',
      }),
    }),
  );
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: 'upload',
      PolicyName: 'put',
      PolicyDocument: policy({ Action: 's3:PutObject', Resource: `arn:aws:s3:::${BUCKET}/logs/*` }),
    }),
  );
  return role.Role?.Arn ?? '';
}

describe('a raised log level', () => {
  const stateDir = (): string => mkdtempSync(join(tmpdir(), 'log-level-'));
  const said = (entries: LogEntry[]): unknown[] => entries.map(({ event }) => event);

  function prepare(dir: string, now = () => new Date()) {
    const { log: root, entries } = recordingLog();
    root.level = 'info';
    const log = root.child({ thing: 'a' });
    return { root, log, entries, level: new LogLevel(log, dir, now) };
  }

  beforeAll(() => {
    jest.useFakeTimers();
  });
  afterAll(() => {
    jest.useRealTimers();
  });

  it('lets debug lines of this agent appear, children made before and after included, and stop by itself', () => {
    const { root, log, entries, level } = prepare(stateDir());
    const early = log.child({ part: 'early' });
    const other = root.child({ thing: 'b' });
    early.debug({ event: 'too early' });
    level.raise('debug', 3_600);
    const late = early.child({ part: 'late' });
    for (const logger of [log, early, late, other]) logger.debug({ event: 'now' });
    expect(said(entries)).toEqual(['now', 'now', 'now']);
    jest.advanceTimersByTime(3_599_000);
    early.debug({ event: 'still' });
    jest.advanceTimersByTime(1_001);
    for (const logger of [log, early, late]) logger.debug({ event: 'too late' });
    expect(said(entries).slice(3)).toEqual(['still']);
    log.info({ event: 'as configured' });
    expect(said(entries).at(-1)).toBe('as configured');
  });

  it('goes on after a restart for what is left of its time', () => {
    const dir = stateDir();
    const first = prepare(dir);
    first.level.raise('debug', 600);
    jest.advanceTimersByTime(240_000);
    first.level.stop();
    const second = prepare(dir);
    expect(second.log.level).toBe('debug');
    jest.advanceTimersByTime(360_001);
    expect(second.log.level).toBe('info');
    expect(prepare(dir).log.level).toBe('info');
  });

  it('ends over restarts though the clock starts in the past each time, or jumps ahead', () => {
    const dir = stateDir();
    prepare(dir).level.raise('debug', 600);
    const past = () => new Date('1970-01-01T00:00:00Z');
    let restarts = 0;
    while (prepare(dir, past).log.level === 'debug' && restarts < 100) restarts += 1;
    expect(restarts).toBe(9);
    prepare(dir).level.raise('debug', 600);
    expect(prepare(dir, () => new Date('2999-01-01T00:00:00Z')).log.level).toBe('info');
  });

  it('is not raised by a file that is damaged', () => {
    const dir = stateDir();
    prepare(dir).level.raise('debug', 600);
    const file = join(dir, 'log-level.json');
    for (const text of [
      '',
      '{',
      '{"level":"trace"}',
      readFileSync(file, 'utf8').replace('debug', 'silent'),
    ]) {
      writeFileSync(file, text);
      expect(prepare(dir).log.level).toBe('info');
    }
  });
});
