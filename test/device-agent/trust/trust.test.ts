import fs, { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RepositoryUnreachableError } from '../../../device-agent/trust/metadata-fetcher';
import { createTrust, type TrustOptions } from '../../../device-agent/trust/trust';
import { UpdateRefusedError } from '../../../device-agent/update/types';
import { createRepository, type TufRepository } from '../../support/tuf-repository';
import {
  answerBody,
  answerByDrops,
  answerEndlessly,
  answerStatus,
  answerTruncated,
  neverAnswer,
  serveRepository,
  type Fault,
  type RepositoryServer,
} from '../../support/tuf-server';

const RELEASE = { version: '1.4.0', release: 8, securityEpoch: 2, hardware: ['pump-2'] };
const NAME = 'pump/1.4.0.tar';
const PAST = new Date(Date.now() - 1_000);

let dir: string;
let repository: TufRepository;
let server: RepositoryServer;

beforeEach(async () => {
  // Nothing in this process sees what a flush does, and it takes most of the time.
  jest.spyOn(fs, 'fsyncSync').mockReturnValue(undefined);
  dir = mkdtempSync(join(tmpdir(), 'trust-'));
  repository = createRepository(join(dir, 'repository'));
  repository.addTarget(NAME, 'the software', RELEASE);
  repository.publish();
  server = await serveRepository(repository);
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

function device(options: Partial<TrustOptions> = {}): ReturnType<typeof createTrust> {
  return createTrust({
    metadataUrl: server.metadataUrl,
    targetsUrl: server.targetsUrl,
    rootFile: repository.rootFile,
    dir: join(dir, 'device'),
    now: () => new Date(),
    limits: { requestMs: 5_000, refreshMs: 10_000, retries: 0, retryDelayMs: 1 },
    ...options,
  });
}

const refusal = async (act: Promise<unknown>): Promise<string> => {
  const error = await act.then(
    () => new Error('was taken'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof UpdateRefusedError)) throw error;
  return error.message;
};
const trustedVersion = (role: string): unknown => {
  const text = readFileSync(join(dir, 'device', 'metadata', `${role}.json`), 'utf8');
  return (JSON.parse(text) as { signed: { version: unknown } }).signed.version;
};

describe('a sound repository', () => {
  it('gives what was signed of a target, and where it is', async () => {
    const { sha256, length } = repository.addTarget('pump/2.tar', 'more', RELEASE);
    repository.publish();
    expect(await device().target('pump/2.tar')).toEqual({
      name: 'pump/2.tar',
      length,
      sha256,
      url: `${server.targetsUrl}/pump/${sha256}.2.tar`,
      release: RELEASE,
    });
  });

  it('is followed through new keys of every role', async () => {
    const trust = device();
    await trust.target(NAME);
    for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const) {
      repository.rotateKeys(role);
      repository.publish();
    }
    expect(await trust.target(NAME)).toMatchObject({ release: RELEASE });
    expect(trustedVersion('root')).toBe(5);
  });

  it('is asked twice at once without one refresh spoiling the other', async () => {
    const trust = device();
    const [a, b] = await Promise.all([trust.target(NAME), trust.target(NAME)]);
    expect(a).toEqual(b);
  });

  it('may delegate, in a circle, too', async () => {
    repository.delegate('a', ['x/*']);
    repository.delegate('b', ['x/*'], 'a');
    repository.delegate('a', ['x/*'], 'b');
    repository.addTarget('x/1.tar', 'delegated', RELEASE, 'b');
    repository.publish();
    expect(await device().target('x/1.tar')).toMatchObject({ release: RELEASE });
    expect(await refusal(device().target('x/2.tar'))).toContain('not in the signed targets');
  });

  it('may have metadata without lengths and hashes in snapshot and timestamp', async () => {
    repository.publish({ bare: true });
    expect(await device().target(NAME)).toMatchObject({ release: RELEASE });
  });
});

describe('metadata that is refused', () => {
  const flip = (file: string) => () => {
    const text = repository.read(file).toString();
    repository.write(file, text.replace('"spec_version":"1.0.31"', '"spec_version":"1.0.30"'));
  };
  it.each<[string, () => unknown, RegExp]>([
    [
      'no signature',
      () => repository.publish({ signatures: { timestamp: 0 } }),
      /timestamp was signed by 0\/1/,
    ],
    [
      'a root of too few',
      () => repository.publish({ root: true, signatures: { root: 1 } }),
      /root was signed by 1\/2/,
    ],
    [
      'targets of too few',
      () => repository.publish({ signatures: { targets: 1 } }),
      /targets was signed by 1\/2/,
    ],
    ['an edited timestamp', flip('timestamp.json'), /timestamp was signed by 0/],
    ['an edited snapshot', flip('1.snapshot.json'), /hash/],
    ['edited targets', flip('1.targets.json'), /hash/],
    [
      'an expired root',
      () => repository.publish({ root: true, expires: { root: PAST } }),
      /root.json is expired/,
    ],
    [
      'an expired timestamp',
      () => repository.publish({ expires: { timestamp: PAST } }),
      /timestamp.json is expired/,
    ],
    [
      'an expired snapshot',
      () => repository.publish({ expires: { snapshot: PAST } }),
      /snapshot.json is expired/,
    ],
    [
      'expired targets',
      () => repository.publish({ expires: { targets: PAST } }),
      /targets.json is expired/,
    ],
    [
      'a date of expiry that is none',
      () =>
        repository.publish({ change: { snapshot: (signed) => ({ ...signed, expires: 'never' }) } }),
      /snapshot metadata expires at never/,
    ],
    [
      'a skipped root version',
      () => {
        repository.publish({ root: true, versions: { root: 7 } });
        repository.write('2.root.json', repository.read('7.root.json'));
      },
      /Expected version 2, got 7/,
    ],
    [
      'a mixed snapshot',
      () => {
        repository.publish();
        repository.publish();
        repository.write('3.snapshot.json', repository.read('2.snapshot.json'));
      },
      /hash|length/,
    ],
    ['HTML', () => repository.write('timestamp.json', '<html>sign in</html>'), /JSON/],
    ['nothing', () => repository.write('timestamp.json', ''), /JSON/],
    [
      'deep JSON',
      () => repository.write('timestamp.json', '['.repeat(8_000) + ']'.repeat(8_000)),
      /./,
    ],
    [
      'a signed field that is deep',
      () => {
        let deep: unknown = 0;
        for (let depth = 0; depth < 3_000; depth += 1) deep = [deep];
        const text = JSON.stringify({ signatures: [], signed: { _type: 'timestamp', deep } });
        repository.write('timestamp.json', text);
      },
      /./,
    ],
    [
      'junk signatures by the thousand',
      () => {
        const { signed } = JSON.parse(repository.read('1.root.json').toString()) as {
          signed: object;
        };
        const signatures = Array.from({ length: 5_000 }, (_, n) => ({ keyid: `${n}`, sig: 'ab' }));
        repository.write(
          '2.root.json',
          JSON.stringify({ signatures, signed: { ...signed, version: 2 } }),
        );
      },
      /root was signed by 0\/2/,
    ],
    [
      'a timestamp over its limit',
      () => repository.write('timestamp.json', ' '.repeat(20_000)),
      /longer than/,
    ],
    [
      'a target that is not listed',
      () => {
        repository.removeTarget(NAME);
        repository.publish();
      },
      /not in the signed targets/,
    ],
  ])('%s', async (_name, spoil, reason) => {
    spoil();
    expect(await refusal(device().target(NAME))).toMatch(reason);
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'custom.version'],
    ['a field more', { ...RELEASE, shell: 'rm' }, 'shell'],
    ['no hardware', { ...RELEASE, hardware: [] }, 'custom.hardware'],
    ['a release that is no number', { ...RELEASE, release: '8' }, 'custom.release'],
  ])('custom of a target: %s', async (_name, custom, field) => {
    repository.addTarget(NAME, 'the software', custom);
    repository.publish();
    expect(await refusal(device().target(NAME))).toContain(field);
  });

  it('a target without SHA-256', async () => {
    const hashes = { sha512: 'a'.repeat(128) };
    const targets = { [NAME]: { length: 5, hashes, custom: RELEASE } };
    repository.publish({ change: { targets: (signed) => ({ ...signed, targets }) } });
    expect(await refusal(device().target(NAME))).toContain('hashes.sha256');
  });

  it('cuts off a snapshot that a thief of the timestamp key says is enormous', async () => {
    const meta = { 'snapshot.json': { version: 1, length: 1e15 } };
    repository.publish({ change: { timestamp: (signed) => ({ ...signed, meta }) } });
    server.fault('snapshot', answerEndlessly);
    expect(await refusal(device().target(NAME))).toContain('longer than the 5000000 bytes');
  });
});

describe('what was trusted is not taken back', () => {
  it.each([
    ['timestamp', { timestamp: 1 }],
    ['snapshot', { snapshot: 1 }],
    ['targets', { targets: 1 }],
  ])('a lower version of %s', async (_role, versions) => {
    const trust = device();
    for (let version = 2; version < 5; version += 1) repository.publish();
    await trust.target(NAME);
    repository.publish({ versions });
    expect(await refusal(trust.target(NAME))).toMatch(/less than current/);
    expect(trustedVersion('targets')).toBe(4);
  });

  it('a snapshot that no longer lists a role', async () => {
    const trust = device();
    await trust.target(NAME);
    repository.publish({ change: { snapshot: (signed) => ({ ...signed, meta: {} }) } });
    expect(await refusal(trust.target(NAME))).toMatch(/Missing file targets.json/);
  });

  it('keeps what was verified of a refresh that failed', async () => {
    const trust = device();
    await trust.target(NAME);
    repository.publish({ root: true });
    server.fault('timestamp', answerStatus(503));
    await expect(trust.target(NAME)).rejects.toBeInstanceOf(RepositoryUnreachableError);
    expect(trustedVersion('root')).toBe(2);
  });
});

describe('expiry', () => {
  const inOneHour = new Date(Date.now() + 3_600_000);
  it('is held against the time given, wherever the clock of the system stands', async () => {
    repository.publish({ expires: { timestamp: inOneHour } });
    const later = new Date(inOneHour.getTime() + 1_000);
    expect(await device().target(NAME)).toMatchObject({ release: RELEASE });
    expect(await refusal(device({ now: () => later }).target(NAME))).toContain('expired');
  });
});

describe('a repository that can not be reached', () => {
  const html = '<html>sign in</html>';
  const redirect = answerStatus(302, { location: 'http://127.0.0.1:1/metadata/timestamp.json' });
  it.each<[string, Fault]>([
    ['404', answerStatus(404)],
    ['403', answerStatus(403)],
    ['503', answerStatus(503)],
    ['a redirect', redirect],
    ['no answer', neverAnswer],
    ['byte after byte', answerByDrops(10)],
    ['a connection cut', answerTruncated(Buffer.from(html), 5)],
  ])('%s is no verdict on the update', async (_name, fault) => {
    server.fault('timestamp', fault);
    const trust = device({ limits: { requestMs: 200, refreshMs: 2_000, retries: 0 } });
    await expect(trust.target(NAME)).rejects.toBeInstanceOf(RepositoryUnreachableError);
    server.clear();
    expect(await device().target(NAME)).toMatchObject({ release: RELEASE });
  });

  it('is tried again after a 503', async () => {
    let answers = 0;
    server.fault('timestamp', (request, response) => {
      answers += 1;
      if (answers < 3) answerStatus(503)(request, response);
      else answerBody(repository.read('timestamp.json'))(request, response);
    });
    const trust = device({ limits: { retries: 2, retryDelayMs: 1 } });
    expect(await trust.target(NAME)).toMatchObject({ release: RELEASE });
  });

  it('bounds a refresh as a whole, however many files trickle in', async () => {
    server.fault('.json', answerByDrops(10));
    const trust = device({
      limits: { requestMs: 100, refreshMs: 150, retries: 50, retryDelayMs: 1 },
    });
    await expect(trust.target(NAME)).rejects.toBeInstanceOf(RepositoryUnreachableError);
    expect(server.requests.length).toBeLessThan(5);
  });
});

describe('the store on a disk that refuses', () => {
  it('fails, and blames neither the repository nor the target', async () => {
    mkdirSync(join(dir, 'device'));
    writeFileSync(join(dir, 'device', 'file'), '');
    const trust = device({ dir: join(dir, 'device', 'file') });
    await expect(trust.target(NAME)).rejects.toMatchObject({
      code: expect.stringMatching(/EEXIST|ENOTDIR/),
    });
  });
});
