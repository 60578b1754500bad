import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRaucInstaller } from '../../../device-agent/update/installers/rauc';
import type { Installer } from '../../../device-agent/update/types';
import { targetOf } from './artifact-server';
import { raucMissing, startRauc, type RaucBed } from './rauc-bed';

const missing = raucMissing();
if (missing !== null)
  process.stderr.write(`rauc: ${missing}; only its stand-in is driven, not RAUC itself\n`);
const withRauc = missing === null ? describe : describe.skip;

function targetIn(bundle: string) {
  return targetOf(readFileSync(bundle), 'http://localhost/', 'pump-2.0.0.raucb');
}

async function names(installer: Installer) {
  return [(await installer.active()).name, (await installer.confirmed()).name];
}

withRauc('RAUC', () => {
  const content = randomBytes(300_000);
  let bed: RaucBed;
  let installer: Installer;
  beforeAll(async () => {
    bed = await startRauc({ slotBytes: 1_000_000 });
    installer = createRaucInstaller({
      command: bed.command,
      stateFile: join(bed.dir, 'rauc.json'),
    });
  });
  afterAll(() => bed.stop());
  const slot = (name: string) => readFileSync(join(bed.dir, name)).subarray(0, content.length);
  const install = async (bundle: string) => await installer.install(bundle, targetIn(bundle));

  it('keeps what runs as it is while it installs', async () => {
    expect(await installer.active()).toEqual({ name: 'rootfs.0', installed: null });
    await install(bed.bundle(content));
    expect(slot('slot-b').equals(content)).toBe(true);
    expect(slot('slot-a').every((byte) => byte === 0)).toBe(true);
    expect(await names(installer)).toEqual(['rootfs.0', 'rootfs.0']);
  });

  it('switches, reverts, switches again and confirms, over reboots', async () => {
    await installer.activate();
    await installer.activate();
    expect(await names(installer)).toEqual(['rootfs.1', 'rootfs.0']);
    await expect(installer.confirm()).rejects.toThrow('active but not booted');
    await bed.reboot();
    expect((await installer.active()).installed).toMatchObject({ release: 2, version: '2.0.0' });
    await expect(install(bed.bundle(content))).rejects.toThrow('rootfs.1 is on trial');
    await installer.revert();
    await installer.revert();
    expect(await names(installer)).toEqual(['rootfs.0', 'rootfs.0']);
    expect(readFileSync(join(bed.dir, 'state.B'), 'utf8').trim()).toBe('bad');
    await bed.reboot();
    await installer.activate();
    await bed.reboot();
    await installer.confirm();
    await installer.confirm();
    expect(await names(installer)).toEqual(['rootfs.1', 'rootfs.1']);
  });

  it('activates nothing that it dropped, nor what something else has written', async () => {
    await install(bed.bundle(content));
    await installer.discard();
    await expect(installer.activate()).rejects.toThrow('rootfs.0 does not hold what');
    await install(bed.bundle(content));
    const stateFile = join(bed.dir, 'other.json');
    const someoneElse = createRaucInstaller({ command: bed.command, stateFile });
    const bundle = bed.bundle(content);
    await someoneElse.install(bundle, targetIn(bundle));
    await expect(installer.activate()).rejects.toThrow('rootfs.0 does not hold what');
  });

  it.each([
    ['another device', { compatible: 'valve-1' }, /[Cc]ompatible/],
    ['an unknown signer', { trusted: false }, /signature|certificate/],
  ])('refuses a bundle of %s in its own words', async (_name, options, reason) => {
    await expect(install(bed.bundle(content, options))).rejects.toThrow(reason);
  });

  it('is undone, and said so, where its configuration activates by itself', async () => {
    const eager = await startRauc({ slotBytes: 1_000_000, activateInstalled: true });
    const stateFile = join(eager.dir, 'rauc.json');
    const theirs = createRaucInstaller({ command: eager.command, stateFile });
    const bundle = eager.bundle(content);
    await expect(theirs.install(bundle, targetIn(bundle))).rejects.toThrow(
      'activate-installed=false',
    );
    expect(await names(theirs)).toEqual(['rootfs.0', 'rootfs.0']);
    eager.stop();
  });
});

describe('the driver of RAUC', () => {
  const healthy = {
    compatible: 'pump-1',
    booted: 'A',
    boot_primary: 'rootfs.0',
    slots: [
      { 'rootfs.0': { bootname: 'A', state: 'booted', slot_status: {} } },
      { 'rootfs.1': { bootname: 'B', state: 'inactive' } },
      { 'data.0': { bootname: null, state: 'active' } },
    ],
  };

  /** A `rauc` whose `status` prints this text and whose other commands are this script. */
  function standIn(status: string, script = 'exit 0', installTimeoutMs = 10_000) {
    const dir = mkdtempSync(join(tmpdir(), 'stand-in-'));
    const command = join(dir, 'rauc');
    writeFileSync(join(dir, 'status'), status);
    writeFileSync(
      command,
      `#!/bin/sh\necho "$@" >> ${dir}/calls\ncase "$*" in\n` +
        `"status --detailed --output-format=json") cat ${dir}/status ;;\n*) ${script} ;;\nesac\n`,
    );
    chmodSync(command, 0o755);
    const stateFile = join(dir, 'state/rauc.json');
    const installer = createRaucInstaller({ command, stateFile, installTimeoutMs });
    const calls = () => readFileSync(join(dir, 'calls'), 'utf8').trim().split('\n');
    return { installer, calls, stateFile };
  }
  const target = targetOf(Buffer.from('bundle'), 'http://localhost/', 'pump.raucb');
  const text = JSON.stringify(healthy);

  it('reads the slots, and what is no slot of the boot loader is none of its', async () => {
    const { installer } = standIn(text);
    expect(await names(installer)).toEqual(['rootfs.0', 'rootfs.0']);
    expect(installer.restarts).toBe('device');
    expect(await installer.spaceNeeded(target)).toBe(0);
  });

  it.each([
    ['no JSON', 'Segmentation fault', /not what RAUC 1.8 prints/],
    ['other JSON', '{"slots":{}}', /slots/],
    ['one slot', JSON.stringify({ ...healthy, slots: healthy.slots.slice(1) }), /1 slots .* two/],
    ['nothing booted', text.replace(':"booted"', ':"x"').replace('"rootfs.0",', 'null,'), /booted/],
  ])('fails on %s', async (_name, status, reason) => {
    const { installer } = standIn(status);
    await expect(installer.active()).rejects.toThrow(reason);
  });

  it('passes on what RAUC says last', async () => {
    const script = 'echo "LastError: no space left"; echo "Installing failed" >&2; exit 1';
    const { installer, calls } = standIn(text, script);
    await expect(installer.install('/b; reboot', target)).rejects.toThrow(/: no space left$/);
    expect(calls().at(-1)).toBe('install /b; reboot');
    const silent = standIn(text, 'exit 3');
    await expect(silent.installer.install('/b', target)).rejects.toThrow(/rauc install \/b: /);
  });

  it('does not wait for ever', async () => {
    const { installer } = standIn(text, 'exec sleep 60', 200);
    await expect(installer.install('/b', target)).rejects.toThrow('no end in 200 ms');
  });

  it('takes no success without the slot being written', async () => {
    const { installer } = standIn(text);
    await expect(installer.install('/b', target)).rejects.toThrow('did not finish slot rootfs.1');
    await expect(installer.activate()).rejects.toThrow('rootfs.1 does not hold what');
  });

  it('knows nothing after its own file is damaged, so it activates nothing', async () => {
    const written = text.replace(
      '"inactive"',
      '"inactive","slot_status":{"status":"ok","checksum":{"sha256":"ab","size":1}}',
    );
    const { installer, stateFile, calls } = standIn(written);
    await installer.install('/b', target);
    await installer.activate();
    expect(calls().at(-1)).toBe('status mark-active rootfs.1');
    writeFileSync(stateFile, '{"confirmed":');
    await expect(installer.activate()).rejects.toThrow('rootfs.1 does not hold what');
  });

  it.each([
    [
      'goes on from what somebody else has installed',
      { status: 'ok', checksum: { sha256: 'cd', size: 1 } },
      'rootfs.1',
    ],
    ['leads back where RAUC lost what it wrote', {}, 'rootfs.0'],
  ])('%s', async (_name, slotStatus, confirmed) => {
    const [a, b, data] = healthy.slots;
    const slots = [
      { 'rootfs.0': { ...a?.['rootfs.0'], state: 'inactive' } },
      { 'rootfs.1': { ...b?.['rootfs.1'], state: 'booted', slot_status: slotStatus } },
      data,
    ];
    const status = { ...healthy, booted: 'B', boot_primary: 'rootfs.1', slots };
    const { installer, stateFile } = standIn(JSON.stringify(status));
    mkdirSync(dirname(stateFile), { recursive: true });
    writeFileSync(stateFile, '{"confirmed":"rootfs.0","slots":{}}');
    expect(await names(installer)).toEqual(['rootfs.1', confirmed]);
  });

  it('says that there is no RAUC where there is none', async () => {
    const installer = createRaucInstaller({
      command: '/nowhere/rauc',
      stateFile: '/nowhere/state',
    });
    await expect(installer.active()).rejects.toThrow(/ENOENT/);
  });
});
