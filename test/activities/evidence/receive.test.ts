import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { createAwsClients, type AwsClients } from '../../../activities/aws/clients';
import { createEvidenceIntake, createEvidenceStore } from '../../../activities/aws/evidence-store';
import { receiveBundle } from '../../../activities/evidence/receive';
import { manifestEntry } from '../../../domain/evidence/entry.schema';
import { emptyChain, nextEntry, sha256Of } from '../../../domain/evidence/manifest';
import type { EvidenceItem } from '../../../domain/evidence/types';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';

const BUCKETS = { intake: 'intake', evidence: 'evidence', region: 'eu-west-1' };
const MAX = 1_000;

let emulator: Emulator;
let clients: AwsClients;
beforeAll(async () => {
  emulator = await startEmulator();
  clients = createAwsClients(emulator);
  await clients.s3.send(new CreateBucketCommand({ Bucket: 'intake' }));
  await clients.s3.send(
    new CreateBucketCommand({ Bucket: 'evidence', ObjectLockEnabledForBucket: true }),
  );
}, 120_000);
afterAll(() => emulator.stop());

const receive = (
  intakeKey: string,
  statusDetails: Record<string, string>,
  { status = 'SUCCEEDED', runId = intakeKey, s3 = clients.s3 } = {},
): Promise<EvidenceItem> =>
  receiveBundle(
    {
      intake: createEvidenceIntake(s3, BUCKETS),
      store: createEvidenceStore(clients.s3, 'evidence'),
      now: () => Date.parse('2026-11-25T08:00:00Z'),
    },
    {
      ...{ thing: 'pump-1', incident: 'device/pump-1', runId, attempt: 1, intakeKey },
      ...{ execution: { status, statusDetails }, maxBytes: MAX, legalHold: true },
    },
  );

async function upload(Key: string, text: string): Promise<{ sha256: string; bytes: string }> {
  const Body = Buffer.from(text);
  await clients.s3.send(new PutObjectCommand({ Bucket: 'intake', Key, Body }));
  return { sha256: sha256Of(Body), bytes: String(Body.length) };
}

const fitsTheManifest = (item: EvidenceItem): boolean =>
  manifestEntry.safeParse(
    nextEntry('device/pump-1', emptyChain(), item, { workflowId: 'w', runId: 'r', step: 's' }),
  ).success;

describe('a bundle', () => {
  it('is kept as it came where it is what the device said', async () => {
    const claim = await upload('honest', 'lines');
    const item = await receive('honest', claim);
    expect(item).toMatchObject({ bytes: 5, partial: [] });
    expect(item.sha256).toEqual({ device: claim.sha256, receipt: claim.sha256 });
    const kept = await clients.s3.send(
      new GetObjectCommand({ Bucket: 'evidence', Key: item.key ?? '' }),
    );
    expect(await kept.Body?.transformToString()).toBe('lines');
    expect(kept.ObjectLockLegalHoldStatus).toBe('ON');
  });

  it('is received again by a later attempt as the same', async () => {
    const claim = await upload('again', 'lines');
    expect(await receive('again', claim)).toEqual(await receive('again', claim));
  });

  it('is kept and told where the device lied of its hash and size', async () => {
    await upload('lying', 'other lines');
    const item = await receive('lying', { sha256: 'a'.repeat(64), bytes: '5' });
    expect(item.key).not.toBeNull();
    expect(item.sha256).toEqual({
      device: 'a'.repeat(64),
      receipt: sha256Of(Buffer.from('other lines')),
    });
    expect(item.partial).toEqual([
      'the hash that the device gave is not that of what arrived',
      'the device said 5 bytes, and 11 arrived',
    ]);
  });

  it('is refused by its size before it is read', async () => {
    await upload('large', 'x'.repeat(MAX + 1));
    expect(await receive('large', {})).toMatchObject({
      key: null,
      partial: [expect.stringMatching(/^refused: 1001 bytes/), expect.any(String)],
    });
  });

  it.each([
    ['a terminal', '\u001b]0;owned\u0007\u001b[2Jgone'],
    ['a page', '<script>alert(1)</script>\n<img src=x onerror=alert(1)>'],
    ['a path', '../../etc/passwd\u0000.gz'],
    ['a report', `a\u202Eb\u2028c ${'z'.repeat(2_000)}`],
  ])('can’t break %s by what the device says of it', async (_, words) => {
    const claim = await upload(`words-${words.length}`, 'lines');
    const details = { ...claim, truncated: 'true', cut: words, sha256: claim.sha256 };
    const said = await receive(`words-${words.length}`, details);
    const failed = await receive('nothing', { reason: words }, { status: 'FAILED' });
    for (const item of [said, failed]) {
      expect(fitsTheManifest(item)).toBe(true);
      expect(item.partial.join('')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      expect(item.key ?? '').not.toContain('..');
    }
  });

  it.each([
    { sha256: '../../x', bytes: '5' },
    { sha256: 'A'.repeat(64), bytes: '-1' },
    { sha256: 'a'.repeat(64), bytes: '9'.repeat(400) },
    { sha256: 'a'.repeat(64), bytes: '5', collectedAt: 'yesterday' },
  ])('comes without a claim where the claim is none: %j', async (claim) => {
    await upload('claims', 'lines');
    const item = await receive('claims', claim);
    expect(item.sha256.device).toBeNull();
    expect(item.partial).toEqual(['the device did not say a hash and a size']);
    expect(fitsTheManifest(item)).toBe(true);
  });
});

describe('a store that lies', () => {
  let server: Server;
  let sent = 0;
  beforeAll(async () => {
    server = createServer((request, response) => {
      response.setHeader('etag', '"1"');
      if (request.method === 'HEAD') return response.setHeader('content-length', '10').end();
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        sent += chunk.length;
      };
      response.on('drain', more);
      more();
      return undefined;
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it('is left as soon as it sends more than may be taken, however much that is', async () => {
    const { port } = server.address() as AddressInfo;
    const { s3 } = createAwsClients({ ...emulator, endpoint: `http://127.0.0.1:${port}` });
    const before = process.memoryUsage.rss();
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const item = await receive('endless', {}, { s3 });
      expect(item).toMatchObject({
        key: null,
        partial: [expect.stringMatching(/^refused/), expect.any(String)],
      });
    }
    expect(sent).toBeGreaterThan(MAX);
    expect(sent).toBeLessThan(64 * 1_048_576);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1_048_576);
    s3.destroy();
  });
});
