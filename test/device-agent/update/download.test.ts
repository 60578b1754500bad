import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Backoff } from '../../../device-agent/connection/backoff';
import { fetchArtifact, type FetchOptions } from '../../../device-agent/update/download';
import { RateLimit } from '../../../device-agent/update/rate-limit';
import { UpdateRefusedError } from '../../../device-agent/update/types';
import { createCertificate } from '../../support/certificates';
import {
  cutAfter,
  serve,
  targetOf,
  well,
  type Answer,
  type ArtifactServer,
} from './artifact-server';

const artifact = randomBytes(3_000_000);
const servers: ArtifactServer[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

async function serving(answers: Answer[] = [], content = artifact) {
  const server = await serve(content, answers);
  servers.push(server);
  return server;
}

function fetching(server: ArtifactServer, more: Partial<FetchOptions> = {}) {
  const path = join(mkdtempSync(join(tmpdir(), 'download-')), 'download', 'pump.part');
  const options: FetchOptions = {
    target: server.target,
    path,
    bytesPerSecond: null,
    stalledMs: 60_000,
    backoff: new Backoff({ baseMs: 1, capMs: 5 }),
    timeoutMs: 5_000,
    ...more,
  };
  return { path: options.path, done: fetchArtifact(options) };
}

function partOf(bytes: Buffer): string {
  const path = join(mkdtempSync(join(tmpdir(), 'download-')), 'pump.part');
  writeFileSync(path, bytes);
  return path;
}

/** Says by its framing that there is no more, unlike a connection that is lost. */
function cutCleanly(response: ServerResponse): void {
  response.write(artifact.subarray(0, 10), () => response.end());
}

function endless(response: ServerResponse): void {
  const more = () => {
    if (!response.destroyed) response.write(artifact, more);
  };
  more();
}

describe('fetching an artifact', () => {
  it('writes what was signed, and does not fetch it again', async () => {
    const server = await serving();
    const { path, done } = fetching(server);
    await done;
    expect(readFileSync(path).equals(artifact)).toBe(true);
    await fetching(server, { path }).done;
    expect(server.ranges).toEqual([null]);
  });

  it('goes on where the connection was lost, as often as it is lost', async () => {
    const server = await serving([
      cutAfter(artifact, 1_000_000),
      (_request, response) => response.writeHead(503).end(),
      (_request, response) => response.destroy(),
    ]);
    const { path, done } = fetching(server);
    await done;
    expect(readFileSync(path).equals(artifact)).toBe(true);
    expect(server.ranges[0]).toBeNull();
    expect(new Set(server.ranges.slice(1))).toEqual(new Set(['bytes=1000000-']));
  });

  it('asks for the same version with the entity tag of the first part', async () => {
    const tags: unknown[] = [];
    const server = await serving([
      cutAfter(artifact, 1_000_000),
      (request, response) => {
        tags.push(request.headers['if-range'], request.headers['accept-encoding']);
        well(artifact)(request, response);
      },
    ]);
    await fetching(server).done;
    expect(tags).toEqual(['"v1"', 'identity']);
  });

  it('goes on with what an earlier life left', async () => {
    const server = await serving();
    const path = partOf(artifact.subarray(0, 2_000_000));
    await fetching(server, { path }).done;
    expect(readFileSync(path).equals(artifact)).toBe(true);
    expect(server.ranges).toEqual(['bytes=2000000-']);
  });

  it.each([
    ['torn', Buffer.alloc(2_000_000), ['bytes=2000000-', null]],
    ['complete but other', Buffer.alloc(artifact.length), [null]],
    ['too long', Buffer.alloc(artifact.length + 1), [null]],
  ])('fetches once anew where the earlier part is %s', async (_name, left, ranges) => {
    const server = await serving();
    const path = partOf(left);
    await fetching(server, { path }).done;
    expect(readFileSync(path).equals(artifact)).toBe(true);
    expect(server.ranges).toEqual(ranges);
  });

  it('starts over where the server has no ranges, or no longer these bytes', async () => {
    const whole: Answer = (_request, response) => response.writeHead(200).end(artifact);
    const shorter: Answer = (_request, response) => response.writeHead(416).end();
    const server = await serving([cutAfter(artifact, 1_000), whole]);
    await fetching(server).done;
    const other = await serving([cutAfter(artifact, 1_000), shorter, whole]);
    await fetching(other).done;
    expect(other.ranges).toEqual([null, 'bytes=1000-', null]);
  });

  it.each<[string, Answer, RegExp]>([
    ['other bytes', (_q, r) => r.end(Buffer.alloc(artifact.length)), /SHA-256/],
    ['more bytes, announced', (_q, r) => r.end(Buffer.concat([artifact, artifact])), /6000000/],
    ['fewer bytes, announced', (_q, r) => r.end(artifact.subarray(1)), /2999999 bytes/],
    ['an end before the end', (_q, r) => cutCleanly(r), /ended after 10 of 3000000/],
    ['bytes without end', (_q, r) => endless(r), /longer than the 3000000/],
  ])('refuses %s, and keeps nothing of it', async (_name, answer, reason) => {
    const { path, done } = fetching(await serving([answer]));
    await expect(done).rejects.toThrow(reason);
    await expect(done).rejects.toBeInstanceOf(UpdateRefusedError);
    expect(existsSync(path)).toBe(false);
  });

  it.each<[string, Answer, RegExp]>([
    [
      'a redirect',
      (_q, r) => r.writeHead(302, { location: 'http://u:pw@else/x?sig=pw' }).end(),
      /leads to http:\/\/else\/x: /,
    ],
    ['a missing file', (_q, r) => r.writeHead(404).end(), /404/],
    [
      'a coded body',
      (_q, r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      /Content-Encoding gzip/,
    ],
  ])('fails after three answers that are %s', async (_name, answer, reason) => {
    const server = await serving([answer, answer, answer]);
    await expect(fetching(server).done).rejects.toThrow(reason);
    expect(server.ranges).toHaveLength(3);
  });

  it('takes no range that it did not ask for', async () => {
    const shifted: Answer = (_request, response) =>
      response
        .writeHead(206, { 'content-range': `bytes 0-2999999/${artifact.length}` })
        .end(artifact);
    const server = await serving([cutAfter(artifact, 1_000), shifted]);
    const { path, done } = fetching(server);
    await done;
    expect(readFileSync(path).equals(artifact)).toBe(true);
  });

  it('gives up once it has not come further for long enough, and keeps what it has', async () => {
    const cut = Array.from({ length: 10_000 }, (): Answer => (_q, r) => r.destroy());
    const server = await serving([cutAfter(artifact, 1_000), ...cut]);
    const { path, done } = fetching(server, { stalledMs: 100 });
    await expect(done).rejects.toThrow(/no further than 1000 bytes/);
    expect(readFileSync(path).equals(artifact.subarray(0, 1_000))).toBe(true);
  });

  it('does not wait for ever for an answer, nor for the rest of one', async () => {
    const silent: Answer = () => undefined;
    const stuck: Answer = (_request, response) => {
      response.writeHead(200, { 'content-length': artifact.length });
      response.write(artifact.subarray(0, 500));
    };
    const server = await serving([silent, stuck]);
    await fetching(server, { timeoutMs: 100 }).done;
    expect(server.ranges).toEqual([null, null, 'bytes=500-']);
  });

  it('says what is needed and free where the disk is too small, before it fetches', async () => {
    const server = await serving();
    const { done } = fetching(server, { spaceNeeded: 2 ** 52 });
    await expect(done).rejects.toThrow(/disk is full: .* needs 450\d+ bytes .* \d+ are free/);
    expect(server.ranges).toEqual([]);
  });

  it('ends when it is told to, while it waits for the limit too', async () => {
    const abort = new AbortController();
    const { done, path } = fetching(await serving(), {
      bytesPerSecond: 1_024,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error('cancelled')),
    });
    await expect(done).rejects.toThrow(/cancelled|aborted/);
    expect(existsSync(path)).toBe(true);
  });

  it('keeps to its bandwidth on average, with chunks larger than a second too', () => {
    let now = 0;
    const limit = new RateLimit(1_000, () => now);
    const start = now;
    for (let sent = 0; sent < 100; sent += 1) now += limit.spend(64_000);
    expect((100 * 64_000) / (now - start)).toBeCloseTo(1, 2);
    expect(new RateLimit(null).spend(1_000_000)).toBe(0);
  });

  it('follows no link that lies where the part belongs', async () => {
    const victim = partOf(Buffer.from('precious'));
    const path = join(mkdtempSync(join(tmpdir(), 'download-')), 'pump.part');
    symlinkSync(victim, path);
    await expect(fetching(await serving(), { path }).done).rejects.toThrow(/ELOOP/);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
  });

  it('fetches over TLS from a server that it has reason to trust, and from no other', async () => {
    const { certificatePem, privateKeyPem } = createCertificate({
      name: 'localhost',
      hosts: ['localhost'],
    });
    const server = createServer({ cert: certificatePem, key: privateKeyPem }, well(artifact));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
    const secure = { ...(await serving()), target: targetOf(artifact, url, 'pump.tar') };
    await fetching(secure, { ca: certificatePem }).done;
    await expect(fetching(secure, { stalledMs: 1 }).done).rejects.toThrow(/self-signed/);
    server.close();
  });
});
