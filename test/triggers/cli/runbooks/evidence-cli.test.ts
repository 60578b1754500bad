import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { createAwsClients, type AwsClients } from '../../../../activities/aws/clients';
import { createChainHeads, createEvidenceStore } from '../../../../activities/aws/evidence-store';
import { appendEntries } from '../../../../activities/evidence/custody';
import { entryName, manifestPrefix, objectPrefix } from '../../../../domain/evidence/keys';
import { emptyChain, sha256Of } from '../../../../domain/evidence/manifest';
import type { ChainHead } from '../../../../domain/evidence/types';
import { evidenceBucket, recordsBucket } from '../../../../domain/names';
import { provisionAccount } from '../../../../local/bed/account';
import { startEmulator, type Emulator } from '../../../../local/stack/emulator';
import { itemOf } from '../../../activities/evidence/world';

const MAIN = resolve(__dirname, '../../../../triggers/cli/runbooks/main.ts');
let emulator: Emulator;
let clients: AwsClients;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  await provisionAccount(clients, emulator);
  env = {
    PATH: process.env['PATH'],
    AWS_REGION: emulator.region,
    AWS_ACCOUNT_ID: emulator.accountId,
    AWS_ENDPOINT_URL: emulator.endpoint,
    AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
  };
}, 120_000);
afterAll(() => emulator.stop());

async function run(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise((done) => child.on('close', done));
  return { code, stdout, stderr };
}

/** Two entries, the first of which has an object. */
async function keep(incident: string): Promise<ChainHead> {
  const bytes = Buffer.from('shadow');
  const key = `${objectPrefix(incident)}pump-1/run/shadow.json`;
  const store = createEvidenceStore(clients.s3, evidenceBucket(emulator.accountId));
  const heads = createChainHeads(clients.s3, recordsBucket(emulator.accountId));
  await store.create(key, bytes, true);
  const sha256 = { device: null, receipt: sha256Of(bytes) };
  return appendEntries(
    { store, heads },
    {
      ...{ incident, since: emptyChain(), legalHold: true },
      by: { workflowId: 'logs/pump-1/1', runId: 'run' },
      items: [
        itemOf('cloud/shadow', { key, bytes: bytes.length, sha256 }),
        itemOf('device/bundle/1', { partial: ['\u001b[31mred'] }),
      ],
    },
  );
}

const overwrite = (Key: string, text: string) =>
  clients.s3.send(
    new PutObjectCommand({ Bucket: evidenceBucket(emulator.accountId), Key, Body: text }),
  );

describe('evidence verify', () => {
  it('tells each entry, what is missing and the head, and obeys no escape sequence', async () => {
    const head = await keep('device/whole');
    const { code, stdout } = await run('evidence', 'verify', 'device/whole');
    expect(code).toBe(0);
    expect(stdout).toContain('cloud/shadow');
    expect(stdout).toContain(`Whole: 2 entries, 1 objects, 6 bytes. Head 2:${head.hash}`);
    expect(stdout).toMatch(/not had: device\/bundle\/1: .*red/);
    expect(stdout).not.toContain('\u001b');
    const known = await run(
      ...['--json', 'evidence', 'verify', 'device/whole', '--head', `2:${head.hash}`],
    );
    expect(JSON.parse(known.stdout)).toMatchObject({ ok: true, entries: 2, head, problems: [] });
  });

  it('names the first broken link, and fails', async () => {
    await keep('device/entry');
    await overwrite(`${manifestPrefix('device/entry')}${entryName(1)}`, '{"version":1}');
    const entry = await run('evidence', 'verify', 'device/entry');
    expect(entry.code).toBe(1);
    expect(entry.stdout).toContain("FIRST BROKEN LINK: link 1: entry 1 can't be read");

    await keep('device/object');
    await overwrite(`${objectPrefix('device/object')}pump-1/run/shadow.json`, 'shadoW');
    const object = await run('--json', 'evidence', 'verify', 'device/object');
    expect(object.code).toBe(1);
    expect(JSON.parse(object.stdout)).toMatchObject({
      ok: false,
      problems: [expect.stringContaining('entry 1, cloud/shadow')],
    });
  });

  it('fails where there is no evidence, and says what was typed wrongly', async () => {
    expect((await run('evidence', 'verify', 'device/none')).code).toBe(1);
    const wrong = await run('evidence', 'verify', '../../x');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('incident: must be') });
    const head = await run('evidence', 'verify', 'device/whole', '--head', 'x');
    expect(head).toMatchObject({ code: 2, stderr: expect.stringContaining('--head must be') });
  });
});
