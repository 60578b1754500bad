import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import type { Agent } from '../../../device-agent/agent';
import type { TestDevice } from '../../support/devices';
import { CONTAIN, Field, RESUME, confirmedSlot, install } from './field';

let field: Field;
let mounted: string[] = [];

const mount = (...args: string[]): boolean => spawnSync('mount', args).status === 0;
const unmount = (folder: string): boolean => spawnSync('umount', ['-l', folder]).status === 0;

const canMount = ((): boolean => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mount-'));
  return mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder) && unmount(folder);
})();
if (!canMount)
  process.stderr.write('skipped: a real full disk, for mounting is not permitted here\n');

beforeAll(async () => {
  field = await Field.open();
}, 60_000);

afterEach(async () => {
  jest.restoreAllMocks();
  await field.stopAgents();
  for (const folder of mounted) unmount(folder);
  mounted = [];
});

afterAll(async () => {
  await field.close();
});

/** What must hold on a disk that takes no writes. `problem` is how the disk says so. */
async function behavesWithoutDisk(device: TestDevice, agent: Agent, problem: RegExp) {
  const { connections } = agent.status();
  const slot = confirmedSlot(device);
  const { version } = field.shadow(device)?.firmware ?? {};
  const contained = await field.run(device, CONTAIN);
  expect(contained).toMatchObject({ status: 'FAILED', contained: 'true' });
  expect(contained['application']).toMatch(/^stopped by/);
  expect(contained['reason']).toMatch(/^contained only until a restart/);
  expect(contained['reason']).toMatch(problem);
  const resumed = await field.run(device, RESUME);
  expect(resumed).toMatchObject({ status: 'FAILED', contained: 'false', application: 'running' });
  expect(resumed['reason']).toMatch(/^resumed only until a restart/);
  await field.reads(device, String(version));
  const update = await field.run(device, install('pump/1.2.0.tar'));
  expect(update).toMatchObject({ status: 'FAILED' });
  expect(update['reason']).toMatch(problem);
  expect(confirmedSlot(device)).toBe(slot);
  await field.reads(device, String(version));
  expect(agent.status()).toMatchObject({ connections, application: 'running' });
}

function fill(folder: string): string {
  const filler = join(folder, 'filler');
  try {
    for (;;) fs.appendFileSync(filler, Buffer.alloc(4_096));
  } catch {
    return filler;
  }
}

(canMount ? it : it.skip)(
  'keeps its connection and its slot on a full disk and on a read-only one, and says which it is',
  async () => {
    const device = await field.newDevice('disk');
    expect(mount('-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', device.dir)).toBe(true);
    mounted.push(device.dir);
    const { agent } = await field.start(device);
    await field.shadowOnce(device, ({ disk }) => disk === 'ok');
    await field.reads(device, '1.0.0');
    const filler = fill(device.dir);
    await field.shadowOnce(device, ({ disk }) => disk === 'full');
    await behavesWithoutDisk(device, agent, /ENOSPC|disk is full/);

    fs.unlinkSync(filler);
    expect(await field.run(device, install('pump/1.1.0.tar'))).toMatchObject({
      status: 'SUCCEEDED',
      slot: 'b',
    });
    await field.shadowOnce(device, ({ disk, slot }) => disk === 'ok' && slot === 'b');
    await field.reads(device, '1.1.0');

    expect(mount('-o', 'remount,ro', device.dir)).toBe(true);
    await field.shadowOnce(device, ({ disk }) => disk === 'read-only');
    await behavesWithoutDisk(device, agent, /EROFS|read-only/);
  },
  90_000,
);

(canMount ? it : it.skip)(
  'starts on a disk that became read-only with a damaged journal: contained, and within reach',
  async () => {
    const device = await field.newDevice('damaged');
    expect(mount('-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', device.dir)).toBe(true);
    mounted.push(device.dir);
    const first = await field.start(device);
    await field.reads(device, '1.0.0');
    await field.stop(first.agent);
    fs.writeFileSync(join(device.dir, 'state', 'journal.json'), '{"containment":');
    expect(mount('-o', 'remount,ro', device.dir)).toBe(true);
    const { agent } = await field.start(device);
    expect(agent.status()['contained']).not.toBe('false');
    expect(await field.run(device, RESUME)).toMatchObject({ contained: 'false' });
    await field.reads(device, '1.0.0');
    await field.shadowOnce(device, ({ disk }) => disk === 'read-only');
  },
  60_000,
);

/** Files below `folder` can be read and not be opened for writing. */
function refuseWrites(folder: string, code: string): void {
  const { openSync, mkdirSync } = fs;
  const refuse = (path: fs.PathLike): void => {
    if (!String(path).startsWith(folder)) return;
    throw Object.assign(new Error(`${code}: refused, open '${String(path)}'`), { code });
  };
  jest.spyOn(fs, 'openSync').mockImplementation((path, flags, mode) => {
    if (flags !== 'r' && flags !== fs.constants.O_RDONLY) refuse(path);
    return openSync(path, flags, mode);
  });
  jest.spyOn(fs, 'mkdirSync').mockImplementation(((
    path: string,
    options: fs.MakeDirectoryOptions & { recursive: true },
  ) => {
    if (!fs.existsSync(path)) refuse(path);
    return mkdirSync(path, options);
  }) as typeof fs.mkdirSync);
}

it.each([
  ['ENOSPC', 'full'],
  ['EROFS', 'read-only'],
])(
  'behaves as well where writing fails with %s',
  async (code, state) => {
    const device = await field.newDevice(`fault-${code}`);
    const { agent } = await field.start(device);
    await field.shadowOnce(device, ({ disk }) => disk === 'ok');
    await field.reads(device, '1.0.0');
    refuseWrites(device.dir, code);
    await behavesWithoutDisk(device, agent, new RegExp(code));
    await field.shadowOnce(device, ({ disk }) => disk === state);
    jest.restoreAllMocks();
    // The next writing finds the disk well again.
    expect(await field.run(device, install('pump/1.1.0.tar'))).toMatchObject({
      status: 'SUCCEEDED',
    });
    await field.shadowOnce(device, ({ disk, slot }) => disk === 'ok' && slot === 'b');
  },
  60_000,
);
