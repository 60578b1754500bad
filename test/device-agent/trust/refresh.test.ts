import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { RepositoryUnreachableError } from '../../../device-agent/trust/metadata-fetcher';
import {
  answerBody,
  answerByDrops,
  answerStatus,
  answerTruncated,
  neverAnswer,
  type Fault,
} from '../../support/tuf-server';
import { NAME, RELEASE, refusal, trustBed } from './trust-bed';

const bed = trustBed();

describe('what was trusted is not taken back', () => {
  it.each([
    ['timestamp', { timestamp: 1 }],
    ['snapshot', { snapshot: 1 }],
    ['targets', { targets: 1 }],
  ])('a lower version of %s', async (_role, versions) => {
    const trust = bed.device();
    for (let version = 2; version < 5; version += 1) bed.repository.publish();
    await trust.target(NAME);
    bed.repository.publish({ versions });
    expect(await refusal(trust.target(NAME))).toMatch(/less than current/);
    expect(bed.trustedVersion('targets')).toBe(4);
  });

  it('a snapshot that no longer lists a role', async () => {
    const trust = bed.device();
    await trust.target(NAME);
    bed.repository.publish({ change: { snapshot: (signed) => ({ ...signed, meta: {} }) } });
    expect(await refusal(trust.target(NAME))).toMatch(/Missing file targets.json/);
  });

  it('keeps what was verified of a refresh that failed', async () => {
    const trust = bed.device();
    await trust.target(NAME);
    bed.repository.publish({ root: true });
    bed.server.fault('timestamp', answerStatus(503));
    await expect(trust.target(NAME)).rejects.toBeInstanceOf(RepositoryUnreachableError);
    expect(bed.trustedVersion('root')).toBe(2);
  });
});

describe('expiry', () => {
  const inOneHour = new Date(Date.now() + 3_600_000);
  it('is held against the time given, wherever the clock of the system stands', async () => {
    bed.repository.publish({ expires: { timestamp: inOneHour } });
    const later = new Date(inOneHour.getTime() + 1_000);
    expect(await bed.device().target(NAME)).toMatchObject({ release: RELEASE });
    expect(await refusal(bed.device({ now: () => later }).target(NAME))).toContain('expired');
  });
});

describe('a repository that can not be reached', () => {
  const html = '<html>sign in</html>';
  const redirect = answerStatus(302, { location: 'http://u:pw@127.0.0.1:1/timestamp.json?sig=pw' });
  it.each<[string, Fault]>([
    ['404', answerStatus(404)],
    ['403', answerStatus(403)],
    ['503', answerStatus(503)],
    ['a redirect', redirect],
    ['no answer', neverAnswer],
    ['byte after byte', answerByDrops(10)],
    ['a connection cut', answerTruncated(Buffer.from(html), 5)],
  ])('%s is no verdict on the update', async (_name, fault) => {
    bed.server.fault('timestamp', fault);
    const trust = bed.device({ limits: { requestMs: 200, refreshMs: 2_000, retries: 0 } });
    await expect(trust.target(NAME)).rejects.toBeInstanceOf(RepositoryUnreachableError);
    bed.server.clear();
    expect(await bed.device().target(NAME)).toMatchObject({ release: RELEASE });
  });

  it('is tried again after a 503', async () => {
    let answers = 0;
    bed.server.fault('timestamp', (request, response) => {
      answers += 1;
      if (answers < 3) answerStatus(503)(request, response);
      else answerBody(bed.repository.read('timestamp.json'))(request, response);
    });
    const trust = bed.device({ limits: { retries: 2, retryDelayMs: 1 } });
    expect(await trust.target(NAME)).toMatchObject({ release: RELEASE });
  });

  it('bounds a refresh as a whole, however many files trickle in', async () => {
    bed.server.fault('.json', answerByDrops(10));
    const trust = bed.device({
      limits: { requestMs: 100, refreshMs: 150, retries: 50, retryDelayMs: 1 },
    });
    await expect(trust.target(NAME)).rejects.toBeInstanceOf(RepositoryUnreachableError);
    expect(bed.server.requests.length).toBeLessThan(5);
  });
});

describe('the store on a disk that refuses', () => {
  it('fails, and blames neither the repository nor the target', async () => {
    mkdirSync(join(bed.dir, 'device'));
    writeFileSync(join(bed.dir, 'device', 'file'), '');
    const trust = bed.device({ dir: join(bed.dir, 'device', 'file') });
    await expect(trust.target(NAME)).rejects.toMatchObject({
      code: expect.stringMatching(/EEXIST|ENOTDIR/),
    });
  });
});
