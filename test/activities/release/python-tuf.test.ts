import { createServer, type Server } from 'node:http';
import { rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { folderStore, type ReleaseStore } from '../../../activities/release/store';
import { downloadWithPythonTuf, pythonTuf } from '../../support/python-tuf';
import { makeBench, type Bench } from './support';

let bench: Bench;
let store: ReleaseStore;
let server: Server;
beforeAll(async () => {
  await pythonTuf();
  bench = await makeBench();
  store = folderStore(join(bench.home, 'www'));
  server = createServer((request, response) => {
    void store.open(decodeURIComponent(request.url ?? '').slice(1)).then((stream) => {
      if (stream === null) response.writeHead(404).end();
      else stream.pipe(response);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
}, 120_000);
afterAll(() => {
  server.close();
  server.closeAllConnections();
  rmSync(bench.home, { recursive: true, force: true });
});

it('python-tuf takes releases, reverts and renewed roots of ours, and no tampered artifact', async () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const download = (target: string) =>
    downloadWithPythonTuf({
      rootFile: bench.made.rootFile,
      metadataUrl: `${url}/metadata`,
      targetsUrl: `${url}/targets`,
      target,
      dir: join(bench.home, 'client'),
    });
  const { release } = await bench.add('1.0.0');
  await bench.sign();
  await bench.publishTo(store);
  expect(await download('pump/1.0.0.tar')).toMatchObject({
    sha256: release.sha256,
    custom: { version: '1.0.0', release: 1, securityEpoch: 0, hardware: ['rev-a'] },
  });
  await bench.add('1.1.0');
  await bench.renew('root');
  await bench.sign();
  await bench.publishTo(store);
  expect(await download('pump/1.0.0-revert-of-2.tar')).toMatchObject({
    sha256: release.sha256,
    custom: { version: '1.0.0', release: 3, reverts: 2 },
  });
  expect(await download('pump/9.9.9.tar')).toEqual({ error: 'no such target' });
  const { sha256 } = (await bench.open()).releases.find((each) => each.version === '1.1.0') ?? {};
  writeFileSync(join(bench.home, `www/targets/pump/${sha256}.1.1.0.tar`), 'bytes of 6.6.6');
  expect(await download('pump/1.1.0.tar')).toMatchObject({
    error: expect.stringContaining('LengthOrHash'),
  });
}, 120_000);
