import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCertificate } from '../../support/certificates';

export interface RaucBed {
  dir: string;
  /** A `rauc` that talks to the service of this bed. */
  command: string;
  /** A bundle with this content, signed by the key that the device trusts. */
  bundle: (content: Buffer, options?: { compatible?: string; trusted?: boolean }) => string;
  /** Starts the device anew from the slot that its boot loader prefers. */
  reboot: () => Promise<void>;
  stop: () => void;
}

export interface RaucBedOptions {
  slotBytes: number;
  activateInstalled?: boolean;
}

/** Null where RAUC can run here, else what is missing for it. */
export function raucMissing(): string | null {
  for (const program of ['rauc', 'dbus-daemon', 'mksquashfs'])
    if (spawnSync(program, ['--version']).error !== undefined) return `no ${program} on the PATH`;
  if (process.getuid?.() !== 0) return 'RAUC mounts bundles, which needs root';
  const loop = spawnSync('losetup', ['--find']);
  return loop.status === 0 ? null : 'no free loop device';
}

/**
 * A device with a real RAUC: two slots that are files, a boot loader that is a script, a D-Bus of its own, and plain
 * bundles, since verity bundles need a device mapper.
 */
export async function startRauc(options: RaucBedOptions): Promise<RaucBed> {
  const dir = mkdtempSync(join(tmpdir(), 'rauc-'));
  for (const folder of ['data', 'mnt']) mkdirSync(join(dir, folder));
  for (const slot of ['slot-a', 'slot-b']) {
    writeFileSync(join(dir, slot), '');
    truncateSync(join(dir, slot), options.slotBytes);
  }
  const key = writeIdentity(dir, 'trusted');
  writeIdentity(dir, 'other');
  writeFileSync(join(dir, 'system.conf'), systemConf(dir, options));
  writeProgram(join(dir, 'boot-loader'), bootLoader(dir));
  writeFileSync(join(dir, 'primary'), 'A');
  writeFileSync(join(dir, 'bus.conf'), busConf(dir));
  const bus = spawn('dbus-daemon', [`--config-file=${dir}/bus.conf`, '--nofork'], {
    stdio: 'ignore',
  });
  await until(() => existsSync(join(dir, 'bus')));
  const address = `unix:path=${dir}/bus`;
  const command = join(dir, 'rauc');
  writeProgram(command, `DBUS_SYSTEM_BUS_ADDRESS=${address} exec rauc "$@"`);
  const start = async () => {
    const booted = execFileSync(join(dir, 'boot-loader'), ['get-primary'], { encoding: 'utf8' });
    const args = [
      '-c',
      join(dir, 'system.conf'),
      `--override-boot-slot=${booted.trim()}`,
      'service',
    ];
    const child = spawn(command, args, { stdio: 'ignore' });
    await until(() => spawnSync(command, ['status']).status === 0);
    return child;
  };
  let service = await start();
  return {
    dir,
    command,
    bundle: (content, { compatible = 'pump-1', trusted = true } = {}) =>
      makeBundle(dir, content, compatible, trusted ? key : join(dir, 'other')),
    reboot: async () => {
      const gone = new Promise((resolve) => service.once('exit', resolve));
      service.kill('SIGKILL');
      await gone;
      service = await start();
    },
    stop: () => {
      service.kill('SIGKILL');
      bus.kill('SIGKILL');
    },
  };
}

async function until(ready: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (ready()) return;
    await sleep(25);
  }
  throw new Error('RAUC did not start in 5 s');
}

function writeProgram(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

function writeIdentity(dir: string, name: string): string {
  const { certificatePem, privateKeyPem } = createCertificate({ name });
  writeFileSync(join(dir, `${name}.cert.pem`), certificatePem);
  writeFileSync(join(dir, `${name}.key.pem`), privateKeyPem);
  return join(dir, name);
}

function makeBundle(dir: string, content: Buffer, compatible: string, identity: string): string {
  const input = mkdtempSync(join(dir, 'bundle-'));
  writeFileSync(join(input, 'rootfs.img'), content);
  writeFileSync(
    join(input, 'manifest.raucm'),
    `[update]\ncompatible=${compatible}\nversion=2.0.0\n[bundle]\nformat=plain\n` +
      '[image.rootfs]\nfilename=rootfs.img\n',
  );
  const signing = [`--cert=${identity}.cert.pem`, `--key=${identity}.key.pem`];
  const output = `${input}.raucb`;
  execFileSync('rauc', [...signing, `--keyring=${identity}.cert.pem`, 'bundle', input, output], {
    stdio: 'ignore',
  });
  return output;
}

/** https://rauc.readthedocs.io/en/v1.8/integration.html, "Custom" */
function bootLoader(dir: string): string {
  return `case "$1" in
  get-primary) cat ${dir}/primary ;;
  set-primary) echo "$2" > ${dir}/primary; echo good > ${dir}/state.$2 ;;
  get-state) cat ${dir}/state.$2 2>/dev/null || echo good ;;
  set-state) echo "$3" > ${dir}/state.$2 ;;
esac`;
}

function systemConf(dir: string, { activateInstalled = false }: RaucBedOptions): string {
  return `[system]
compatible=pump-1
bootloader=custom
data-directory=${dir}/data
mountprefix=${dir}/mnt
activate-installed=${activateInstalled}
bundle-formats=plain
[handlers]
bootloader-custom-backend=${dir}/boot-loader
[keyring]
path=${dir}/trusted.cert.pem
[slot.rootfs.0]
device=${dir}/slot-a
type=raw
bootname=A
[slot.rootfs.1]
device=${dir}/slot-b
type=raw
bootname=B
`;
}

function busConf(dir: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=${dir}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*"/><allow receive_sender="*"/><allow send_type="method_call"/>
  </policy>
</busconfig>
`;
}
