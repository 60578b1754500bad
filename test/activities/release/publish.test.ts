import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { s3Store } from '../../../activities/aws/release-store';
import { publish } from '../../../activities/release/publish';
import { openRepository } from '../../../activities/release/repository';
import { readSigners } from '../../../activities/release/signer';
import { folderStore, type ReleaseStore } from '../../../activities/release/store';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import { makeBench, NOW, type Bench } from './support';

const DAY = 86_400_000;
let bench: Bench;
let store: ReleaseStore;
beforeEach(async () => {
  bench = await makeBench();
  store = folderStore(join(bench.home, 'www'));
});
afterEach(() => rmSync(bench.home, { recursive: true, force: true }));

const release = async (version: string): Promise<void> => {
  await bench.add(version);
  await bench.sign();
};

/** Fails at its n-th write, having done it or not. */
function cutAt(inner: ReleaseStore, cut: number, after: boolean): ReleaseStore {
  let writes = 0;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    writes += 1;
    if (writes < cut) return work();
    if (after) await work();
    throw new Error('killed');
  };
  return {
    ...inner,
    create: (name, content) => step(() => inner.create(name, content)),
    replace: (name, bytes, before) => step(() => inner.replace(name, bytes, before)),
  };
}

describe('publishing', () => {
  it('is accepted by a device, and a second time only refreshes the timestamp', async () => {
    await release('1.0.0');
    const first = await bench.publishTo(store);
    expect(first.written.at(-1)).toBe('metadata/timestamp.json');
    expect(first.written[0]).toMatch(/^targets\/pump\/[0-9a-f]{64}\.1\.0\.0\.tar$/);
    expect(await bench.verify(store)).toMatchObject({
      releases: [{ name: 'pump/1.0.0.tar', release: 1 }],
      metadata: { timestamp: { version: 2, daysLeft: 2 } },
    });
    expect((await bench.publishTo(store)).written).toEqual(['metadata/timestamp.json']);
    expect((await bench.verify(store)).metadata.timestamp.version).toBe(3);
  });

  it.each([false, true])(
    'killed at any write (done: %s), leaves what was there, and goes on when run again',
    async (after) => {
      await release('1.0.0');
      await bench.publishTo(store);
      await release('1.1.0');
      await bench.renew('root');
      await bench.sign();
      let cuts = 0;
      for (let cut = 1; ; cut += 1) {
        const www = join(bench.home, `www-${cut}`);
        cpSync(join(bench.home, 'www'), www, { recursive: true });
        const copy = folderStore(www);
        const outcome = await bench.publishTo(cutAt(copy, cut, after)).catch(() => 'killed');
        if (outcome !== 'killed') break;
        cuts += 1;
        const count = (await bench.verify(copy)).releases.length;
        expect([1, 3]).toContain(count);
        await bench.publishTo(copy);
        expect((await bench.verify(copy)).releases).toHaveLength(3);
        const left = readdirSync(www, { recursive: true }).filter((name) =>
          String(name).endsWith('.tmp'),
        );
        expect(left).toEqual([]);
      }
      // Two artifacts, targets, snapshot, root 2, timestamp.
      expect(cuts).toBe(6);
    },
    60_000,
  );

  it('is refused before the threshold, but for a refresh of what is signed', async () => {
    await release('1.0.0');
    await bench.publishTo(store);
    await bench.add('1.1.0');
    await bench.sign(['offline/targets-1.pem']);
    await expect(bench.publishTo(store)).rejects.toThrow('waits with 1 of 2 signatures');
    expect((await bench.publishTo(store, { refresh: true })).versions.targets).toBe(2);
  });

  it('writes nothing in a dry run', async () => {
    await release('1.0.0');
    const { written } = await bench.publishTo(store, { dryRun: true, signers: [] });
    expect(written).toHaveLength(5);
    expect(existsSync(join(bench.home, 'www'))).toBe(false);
  });

  it('renews the snapshot in the second half of its life, and refuses what has expired', async () => {
    await release('1.0.0');
    await bench.publishTo(store);
    const later = await bench.publishTo(store, { nowMs: NOW + 4 * DAY, refresh: true });
    expect(later.written).toEqual(['metadata/3.snapshot.json', 'metadata/timestamp.json']);
    await expect(bench.publishTo(store, { nowMs: NOW + 91 * DAY })).rejects.toThrow(
      'sign --renew targets',
    );
  });

  it('takes no other keys, no other place and no older copy', async () => {
    await release('1.0.0');
    const offline = await readSigners([join(bench.keysDir, 'offline')], null);
    await expect(bench.publishTo(store, { signers: offline })).rejects.toThrow('--online-keys');
    const older = join(bench.home, 'older');
    cpSync(bench.dir, older, { recursive: true });
    await bench.publishTo(store);
    const other = await makeBench();
    await expect(other.publishTo(store)).rejects.toThrow('holds another repository');
    rmSync(other.home, { recursive: true, force: true });
    await release('1.1.0');
    await bench.publishTo(store);
    const signers = await readSigners([join(bench.keysDir, 'online')], null);
    const input = { signers, nowMs: NOW, dryRun: false, refresh: false, progress: () => undefined };
    await expect(publish(await openRepository(older), store, input)).rejects.toThrow('is ahead');
  });

  it('never overwrites a name with other bytes, and never through a link', async () => {
    const { release: added } = await bench.add('1.0.0');
    await bench.sign();
    const www = join(bench.home, 'www');
    await store.create('metadata/2.targets.json', Buffer.from('somebody else’s'));
    await expect(bench.publishTo(store)).rejects.toThrow('is there with other bytes');
    rmSync(www, { recursive: true });
    await bench.publishTo(store);
    writeFileSync(join(www, 'targets/pump', `${added.sha256}.1.0.0.tar`), 'damaged bytes!');
    await expect(bench.verify(store)).rejects.toThrow('A device would refuse pump/1.0.0.tar');
    await expect(bench.publishTo(store)).rejects.toThrow('is there with other bytes');
  });

  it('needs no artifact that is published already', async () => {
    await release('1.0.0');
    await bench.publishTo(store);
    rmSync(join(bench.dir, 'artifacts'), { recursive: true });
    await bench.publishTo(store);
    await expect(bench.publishTo(folderStore(join(bench.home, 'elsewhere')))).rejects.toThrow(
      'the artifact of pump/1.0.0.tar, is missing',
    );
  });
});

describe('publishing to S3', () => {
  let emulator: Emulator;
  let s3: S3Client;
  beforeAll(async () => {
    emulator = await startEmulator();
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: emulator.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: emulator.credentials.secretAccessKey,
    });
    const { endpoint, region, credentials } = emulator;
    s3 = new S3Client({ region, endpoint, credentials, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'updates' }));
  });
  afterAll(async () => {
    delete process.env['AWS_ACCESS_KEY_ID'];
    delete process.env['AWS_SECRET_ACCESS_KEY'];
    await emulator.stop();
  });
  const place = (prefix: string): ReleaseStore => {
    const { endpoint, region } = emulator;
    return s3Store({ bucket: 'updates', prefix, region, endpoint });
  };

  it('is accepted by a device and goes on after a cut', async () => {
    await release('1.0.0');
    await expect(bench.publishTo(cutAt(place('fw'), 3, true))).rejects.toThrow('killed');
    await bench.publishTo(place('fw'));
    expect((await bench.publishTo(place('fw'))).written).toEqual(['metadata/timestamp.json']);
    expect((await bench.verify(place('fw'))).releases).toHaveLength(1);
    expect(await place('').read('fw/metadata/timestamp.json')).not.toBeNull();
  });

  it('leaves what another publisher wrote', async () => {
    await release('1.0.0');
    const put = (Key: string, Body: string) =>
      s3.send(new PutObjectCommand({ Bucket: 'updates', Key, Body }));
    await put('taken/metadata/2.targets.json', 'another');
    await expect(bench.publishTo(place('taken'))).rejects.toThrow('is there with other bytes');
    expect(await place('taken').create('metadata/2.targets.json', Buffer.from('x'))).toBe(false);
    await expect(
      place('taken').replace('metadata/2.targets.json', Buffer.from('x'), Buffer.from('old')),
    ).rejects.toThrow('somebody else published meanwhile');
    expect(await place('taken').read('metadata/2.targets.json')).toEqual(Buffer.from('another'));
  });
});
