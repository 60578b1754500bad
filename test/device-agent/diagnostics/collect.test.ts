import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Bundles, type BundleSources } from '../../../device-agent/diagnostics/bundles';
import { LIMITS } from '../../../device-agent/diagnostics/limits';
import { diagnosticsSettings } from '../../../device-agent/settings';
import type { CollectItem } from '../../../domain/device-protocol/job-document';
import { leaked, plantedSecrets } from '../../support/planted-secrets';

type Entry = Record<string, unknown>;
type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

const ok: Answer = (_, response) => response.end();

/** Stands for the object store. */
class Store {
  readonly received: Buffer[] = [];
  answers: Answer[] = [];

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => void this.receive(request, response));
  }

  static async open(): Promise<Store> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Store(server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    this.received.push(body);
    expect(Number(request.headers['content-length'])).toBe(body.length);
    expect(request.headers['if-none-match']).toBe('*');
    (this.answers.shift() ?? ok)(request, response, body);
  }
}

let dir: string;
let store: Store;
let children: ChildProcess[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'diagnostics-'));
  store = await Store.open();
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  store.answers = [];
  store.received.length = 0;
});
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

let made = 0;
/** A folder of its own for one test. */
function folder(): string {
  const path = join(dir, String((made += 1)));
  mkdirSync(path);
  return path;
}

function bundlesOf(sources: Partial<BundleSources> = {}, settings: Entry = {}): Bundles {
  return new Bundles({
    thing: 'pump-1',
    firmware: '1.2.3',
    hardware: 'b',
    folders: [dir],
    stateDir: folder(),
    settings: diagnosticsSettings.parse({ uploadOrigins: [store.origin], ...settings }),
    journals: [],
    slots: () => ({ active: 'a', confirmed: 'a' }),
    log: pino({ level: 'silent' }),
    ...sources,
  });
}

const collect = (
  bundles: Bundles,
  items: CollectItem[],
  uploadUrl = `${store.origin}/b/k?X-Amz-Signature=s3cr3t`,
) => bundles.collect({ items, uploadUrl, requestedBy: 'logs/pump-1/1' }, { key: 'logs-1#1' });

const unpack = (bundle: Buffer | undefined): Entry[] =>
  gunzipSync(bundle ?? Buffer.alloc(0))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);

/** The lines of one collection that was uploaded. */
async function collected(bundles: Bundles, items: CollectItem[]): Promise<Entry[]> {
  expect(await collect(bundles, items)).toMatchObject({ status: 'SUCCEEDED' });
  return unpack(store.received.at(-1));
}

const textOf = (lines: Entry[]): string =>
  lines.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
const hashed = (root: string, limits = LIMITS) =>
  collected(bundlesOf({ limits }, { hashRoots: { root } }), [{ kind: 'hashes', root: 'root' }]);
const logged = (applicationLog: string, maxBytes = 10_000_000) =>
  collected(bundlesOf({}, { applicationLog }), [{ kind: 'applicationLog', maxBytes }]);
const sha256 = (content: string | Buffer): string =>
  createHash('sha256').update(content).digest('hex');

describe('a bundle', () => {
  it('says whose it is and how it ended, and is what the status details say', async () => {
    const bundles = bundlesOf();
    const outcome = await collect(bundles, [{ kind: 'system' }, { kind: 'slots' }]);
    const [bundle] = store.received;
    expect(outcome).toEqual({
      status: 'SUCCEEDED',
      details: {
        uploaded: 'true',
        collectedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        sha256: sha256(bundle ?? ''),
        bytes: String(bundle?.length),
        items: '2',
        lines: '4',
        truncated: 'false',
      },
    });
    const [first, system, slots, end] = unpack(bundle);
    expect(first).toMatchObject({
      kind: 'bundle',
      version: 1,
      thing: 'pump-1',
      execution: 'logs-1#1',
    });
    expect(system).toMatchObject({ item: 0, firmware: '1.2.3', uptimeSeconds: expect.any(Number) });
    expect(slots).toMatchObject({
      item: 1,
      slots: { active: 'a' },
      bootId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(end).toEqual({ kind: 'end', truncated: false, cut: [], lines: 3 });
  });

  it('lists processes, itself among them, and no secret of their command lines', async () => {
    const args = [
      '-e',
      'setInterval(() => {}, 1e3)',
      '--',
      '--db-password',
      'hunter 2;x',
      '--token=tok/en9',
      'psk: |\n  correct horse',
    ];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    children.push(child);
    const lines = await collected(bundlesOf(), [{ kind: 'processes' }]);
    expect(lines.find(({ pid }) => pid === process.pid)).toMatchObject({
      ppid: process.ppid,
      state: expect.any(String),
    });
    const found = lines.find(({ pid }) => pid === child.pid);
    expect(found?.['command']).toContain('--db-password [redacted:flag] --token=[redacted:pair]');
    expect(found?.['command']).not.toContain('horse');
    expect(Math.abs(Date.parse(String(found?.['started'])) - Date.now())).toBeLessThan(600_000);
  });

  it('lists connections with their addresses and states', async () => {
    const lines = await collected(bundlesOf(), [{ kind: 'connections' }]);
    const local = store.origin.slice('http://'.length);
    expect(lines).toContainEqual(
      expect.objectContaining({ protocol: 'tcp', local, state: 'listening' }),
    );
  });

  it('is redacted whatever it comes from', async () => {
    const planted = plantedSecrets(23, 1_000);
    const [root, logs] = [folder(), folder()];
    const names = planted.filter(({ text }) => /^[^/]{1,120}$/.test(text));
    for (const { text } of names) writeFileSync(join(root, text), '');
    const log = join(logs, 'app.log');
    writeFileSync(log, planted.map(({ text }) => `${text}\n`).join('plain line\n'));
    const journal = join(logs, 'journal.json');
    writeFileSync(
      journal,
      JSON.stringify({ executions: planted.map(({ text }) => ({ reason: text })) }),
    );
    const lines = await collected(
      bundlesOf({ journals: [journal] }, { applicationLog: log, hashRoots: { root } }),
      [
        { kind: 'hashes', root: 'root' },
        { kind: 'applicationLog', maxBytes: 10_000_000 },
        { kind: 'journal' },
      ],
    );
    expect(names.length).toBeGreaterThan(300);
    expect(leaked(planted, JSON.stringify(lines))).toEqual([]);
    expect(leaked(planted, textOf(lines))).toEqual([]);
    expect(textOf(lines)).toContain('plain line\n');
    expect(lines.filter(({ path }) => path !== undefined)).toHaveLength(names.length);
  }, 30_000);

  it('is refused for an origin that the device does not have, which is named without the query', async () => {
    const outcome = await collect(
      bundlesOf(),
      [{ kind: 'system' }],
      'https://evil.example/x?X-Amz-Signature=abc',
    );
    expect(outcome).toEqual({
      status: 'REJECTED',
      details: {
        reason:
          'uploadUrl: https://evil.example is not in diagnostics.uploadOrigins of this device',
      },
    });
    const named = await collect(
      bundlesOf(),
      [{ kind: 'system' }],
      store.origin.replace('//', '//u:p@'),
    );
    expect(named.status).toBe('REJECTED');
    expect(store.received).toEqual([]);
  });

  it('is one at a time', async () => {
    const bundles = bundlesOf();
    let open = 0;
    const slowly: Answer = (_, response) => {
      open += 1;
      expect(open).toBe(1);
      setTimeout(() => {
        open -= 1;
        response.end();
      }, 50);
    };
    store.answers = [slowly, slowly, slowly];
    const outcomes = await Promise.all([1, 2, 3].map(() => collect(bundles, [{ kind: 'system' }])));
    expect(outcomes.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  });
});

describe('an upload', () => {
  const withStatus =
    (status: number, headers = {}, body = ''): Answer =>
    (_, response) =>
      response.writeHead(status, headers).end(body);

  it('is tried again where the store or the network fails', async () => {
    store.answers = [withStatus(503), (request) => request.socket.destroy(), ok];
    expect(await collect(bundlesOf(), [{ kind: 'system' }])).toMatchObject({ status: 'SUCCEEDED' });
    expect(store.received).toHaveLength(3);
  });

  it('is done where an attempt whose answer was lost has put it there', async () => {
    store.answers = [(request) => request.socket.destroy(), withStatus(409), withStatus(412)];
    expect(await collect(bundlesOf(), [{ kind: 'system' }])).toMatchObject({ status: 'SUCCEEDED' });
    expect(store.received).toHaveLength(3);
  });

  it.each([
    [
      'an object that somebody else has put there',
      withStatus(412, {}, '<Error><Code>PreconditionFailed</Code></Error>'),
      '412 PreconditionFailed',
    ],
    [
      'a refusal',
      withStatus(403, {}, '<Error><Code>AccessDenied</Code></Error>'),
      '403 AccessDenied',
    ],
    ['a redirect', withStatus(307, { location: 'http://127.0.0.1:9/' }), '307'],
  ])('fails on %s, and leaves nothing behind', async (_, answer, reason) => {
    const stateDir = folder();
    store.answers = [answer];
    const outcome = await collect(bundlesOf({ stateDir }), [{ kind: 'system' }]);
    expect(outcome).toEqual({
      status: 'FAILED',
      details: { reason: `the upload was refused: ${reason}` },
    });
    expect(store.received).toHaveLength(1);
    expect(readdirSync(join(stateDir, 'diagnostics'))).toEqual([]);
  });

  it('is given up when its time is over, or the agent stops', async () => {
    const limits = { ...LIMITS, totalMs: 300 };
    store.answers = [() => undefined];
    const outcome = await collect(bundlesOf({ limits }), [{ kind: 'system' }]);
    expect(outcome).toMatchObject({ status: 'FAILED' });
    expect(outcome.details['reason']).toMatch(/^not uploaded in time/);
    const bundles = bundlesOf();
    store.answers = [() => void bundles.stop()];
    expect(await collect(bundles, [{ kind: 'system' }])).toEqual({
      status: 'FAILED',
      details: { reason: 'the agent was stopped' },
    });
  });

  it('does not happen where the disk takes no bundle', async () => {
    const stateDir = folder();
    writeFileSync(join(stateDir, 'diagnostics'), 'no folder');
    const outcome = await collect(bundlesOf({ stateDir }), [{ kind: 'system' }]);
    expect(outcome).toMatchObject({
      status: 'FAILED',
      details: { reason: expect.stringContaining('EEXIST') },
    });
    expect(store.received).toEqual([]);
  });

  it('of an agent that was killed leaves nothing after its next start', () => {
    const stateDir = folder();
    mkdirSync(join(stateDir, 'diagnostics'));
    writeFileSync(join(stateDir, 'diagnostics', 'bundle.ndjson.gz'), 'half');
    bundlesOf({ stateDir });
    expect(readdirSync(join(stateDir, 'diagnostics'))).toEqual([]);
  });
});

describe('file hashes', () => {
  it('are those of regular files, with size, mode and time; escapes and hangs give nothing', async () => {
    const [root, outside] = [folder(), folder()];
    writeFileSync(join(outside, 'secret'), 'outside');
    mkdirSync(join(root, 'sub'));
    writeFileSync(join(root, 'sub', 'file'), 'content', { mode: 0o640 });
    symlinkSync(join(outside, 'secret'), join(root, 'link'));
    symlinkSync(outside, join(root, 'folder-link'));
    symlinkSync('/dev/zero', join(root, 'zero'));
    execFileSync('mkfifo', [join(root, 'fifo')]);
    writeFileSync(join(root, 'odd\n\u001b[2Jname'), '');
    const lines = await hashed(root);
    const paths = lines.filter(({ path }) => path !== undefined);
    const byPath = Object.fromEntries(
      paths.map((line): [string, Entry] => [String(line['path']), line]),
    );
    expect(byPath['sub/file']).toMatchObject({ sha256: sha256('content'), size: 7, mode: '0640' });
    expect(byPath['odd\\n\\u{1b}[2Jname']).toMatchObject({ size: 0 });
    for (const name of ['link', 'folder-link', 'zero'])
      expect(byPath[name]).toMatchObject({ skipped: 'a symlink' });
    expect(byPath['fifo']).toMatchObject({ skipped: 'a FIFO' });
    expect(Object.keys(byPath)).toHaveLength(6);
    expect(JSON.stringify(lines)).not.toContain(sha256('outside'));
  });

  it.each([
    ['/proc', 'a file system of the kernel, not of files'],
    ['/proc/self/root/etc', 'a symlink'],
    ['/dev/zero', 'a device'],
    ['/etc/../etc', 'no plain absolute path'],
    ['/no/such/folder', 'it does not exist (any more)'],
    ['/etc/passwd', 'no folder'],
  ])('are not made of the root %s', async (root, why) => {
    const lines = await hashed(root);
    expect(lines[1]).toMatchObject({ skipped: why });
    expect(lines.at(-1)).toMatchObject({
      truncated: true,
      cut: [{ item: 0, why: `skipped: ${why}` }],
    });
  });

  it('are not made of devices, sockets and other file systems', async () => {
    const lines = await hashed('/dev');
    const skipped = new Set(lines.map(({ skipped: why }) => why));
    expect(skipped).toContain('a device');
    expect(lines.filter(({ path, sha256: sum }) => path === 'zero' && sum !== undefined)).toEqual(
      [],
    );
    expect(skipped.has('another file system') || !existsSync('/dev/pts/ptmx')).toBe(true);
  });

  it('are not made of a root that only the job names', async () => {
    const lines = await collected(bundlesOf(), [{ kind: 'hashes', root: 'constructor' }]);
    expect(lines.at(-1)).toMatchObject({
      cut: [{ item: 0, why: 'diagnostics.hashRoots has no constructor' }],
    });
  });

  it('stay inside while folders and symlinks trade places', async () => {
    const [root, outside] = [folder(), folder()];
    writeFileSync(join(outside, 'name'), 'outside');
    for (let i = 0; i < 40; i += 1) {
      mkdirSync(join(root, `d${i}`));
      writeFileSync(join(root, `d${i}`, 'name'), 'inside');
    }
    const script = `const fs = require('node:fs'); const root = process.argv[1];
      for (;;) for (let i = 0; i < 40; i += 1) { const d = root + '/d' + i;
        fs.renameSync(d, d + '.x'); fs.symlinkSync(process.argv[2], d); if (i === 39) console.log('turn');
        fs.unlinkSync(d); fs.renameSync(d + '.x', d); }`;
    const child = spawn(process.execPath, ['-e', script, root, outside], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    const seen = new Set<unknown>();
    for (let turn = 0; turn < 10; turn += 1) {
      for (const line of await hashed(root)) seen.add(line['sha256'] ?? line['skipped']);
    }
    expect(seen).toContain(sha256('inside'));
    expect(seen).not.toContain(sha256('outside'));
  });

  it('are limited in number, depth and time, and say what was cut', async () => {
    const root = folder();
    for (let i = 0; i < 30; i += 1) writeFileSync(join(root, `f${i}`), '');
    const few = await hashed(root, { ...LIMITS, entries: 10 });
    expect(few.filter(({ path }) => path !== undefined)).toHaveLength(10);
    expect(few.at(-1)).toMatchObject({
      truncated: true,
      cut: [{ item: 0, why: 'more than 10 entries' }],
    });
    mkdirSync(join(root, 'a', 'b', 'c'), { recursive: true });
    const shallow = await hashed(root, { ...LIMITS, depth: 2 });
    expect(shallow.at(-1)).toMatchObject({
      cut: [{ item: 0, why: 'a/b/c: deeper than 2 folders' }],
    });
    writeFileSync(join(root, 'huge'), '');
    truncateSync(join(root, 'huge'), 2 ** 40);
    const slow = await hashed(root, { ...LIMITS, collectMs: 300 });
    expect(slow.at(-1)).toMatchObject({
      cut: [{ item: 0, why: 'the bundle has come to its limit of time' }],
    });
  });
});

describe('the application’s log', () => {
  it('is its newest bytes, with no half of a secret at the border', async () => {
    const log = join(folder(), 'app.log');
    writeFileSync(
      log,
      `${'old line\n'.repeat(9_000)}login password=hunter2secret and more\nnew line\n`,
    );
    const lines = await logged(log, 30);
    expect(textOf(lines)).toBe('[redacted:pair] and more\nnew line\n');
    expect(lines.at(-1)).toMatchObject({ truncated: true });
  });

  it('ends where it ended when it was opened, and keeps a word back that may be half a secret', async () => {
    const log = join(folder(), 'app.log');
    writeFileSync(log, 'first line\nkey AKIAIOSFOD');
    expect(textOf(await logged(log))).toBe('first line\nkey [cut]');
  });

  it('may grow without end, be truncated and be rotated meanwhile', async () => {
    const log = join(folder(), 'app.log');
    writeFileSync(log, 'line\n');
    const growing = setInterval(() => appendFileSync(log, 'more\n'.repeat(10_000)), 1);
    const rotating = setInterval(() => {
      renameSync(log, `${log}.1`);
      writeFileSync(log, 'rotated\n');
    }, 30);
    const shrinking = setInterval(() => existsSync(log) && truncateSync(log, 0), 7);
    try {
      for (let turn = 0; turn < 5; turn += 1)
        expect(textOf(await logged(log))).toMatch(/^[a-z\n]*(\[cut\])?$/);
    } finally {
      for (const timer of [growing, rotating, shrinking]) clearInterval(timer);
    }
  });

  it.each([
    ['/dev/zero', 'a device'],
    ['/proc/self/environ', 'a symlink'],
    ['/etc', 'a folder'],
  ])('is not %s', async (path, why) => {
    expect((await logged(path))[1]).toMatchObject({ skipped: why });
  });

  it('is not what a symlink in its place leads to', async () => {
    const logs = folder();
    symlinkSync('/etc/passwd', join(logs, 'app.log'));
    symlinkSync('/etc', join(logs, 'etc'));
    expect((await logged(join(logs, 'app.log')))[1]).toMatchObject({ skipped: 'a symlink' });
    expect((await logged(join(logs, 'etc', 'passwd')))[1]).toMatchObject({ skipped: 'a symlink' });
  });

  it('is cut to the size of a bundle, of which the end is whole', async () => {
    const log = join(folder(), 'app.log');
    writeFileSync(log, 'a line of text that is of no use\n'.repeat(40_000));
    const bundles = bundlesOf({ limits: { ...LIMITS, bytes: 300_000 } }, { applicationLog: log });
    const items: CollectItem[] = [
      { kind: 'applicationLog', maxBytes: 10_000_000 },
      { kind: 'system' },
    ];
    const lines = await collected(bundles, items);
    const why = 'the bundle has come to its limit of size';
    expect(lines.at(-1)).toMatchObject({
      kind: 'end',
      cut: [
        { item: 0, why },
        { item: 1, why },
      ],
    });
    expect(gunzipSync(store.received.at(-1) ?? '').length).toBeLessThanOrEqual(300_000);
    expect(readFileSync(log).length).toBeGreaterThan(1_000_000);
  });
});
