import { releaseOf } from '../installed-release';
import type { Installer, Slot, VerifiedTarget } from '../types';
import { markSlot, readStatus, runRauc, type RaucSlot } from './rauc-command';
import { RaucRecord } from './rauc-record';

const INSTALL_MS = 3_600_000;

export interface RaucInstallerOptions {
  /** `rauc`, or where it is. */
  command: string;
  /** Keeps which release each slot holds and which slot was proven good. */
  stateFile: string;
  installTimeoutMs?: number;
}

/**
 * A device whose own updater is RAUC keeps it: the artifact is a bundle, which RAUC checks once more by its own
 * keyring and writes, and the boot loader switches. The device's `system.conf` has `activate-installed=false`, since
 * the agent switches only once its commit gate was passed, and two slots with a `bootname`.
 * https://rauc.readthedocs.io/en/v1.8/using.html
 */
export function createRaucInstaller(options: RaucInstallerOptions): Installer {
  const device = new RaucDevice(options);
  return {
    restarts: 'device',
    active: async () => device.describe((await device.slots()).active),
    booted: async () => device.describe((await device.slots()).booted),
    confirmed: async () => device.describe((await device.slots()).confirmed),
    // RAUC writes to slots of its own, and mounts the bundle where it is.
    spaceNeeded: () => Promise.resolve(0),
    install: async (artifact, target) => await device.install(artifact, target),
    activate: async () => await device.activate(),
    confirm: async () => await device.confirm(),
    revert: async () => await device.revert(),
    discard: async () => await device.discard(),
  };
}

interface Roles {
  active: RaucSlot;
  booted: RaucSlot;
  confirmed: RaucSlot;
  /** The one that is not active. */
  other: RaucSlot;
}

class RaucDevice {
  private readonly record: RaucRecord;

  constructor(private readonly options: RaucInstallerOptions) {
    this.record = new RaucRecord(options.stateFile);
  }

  async slots(): Promise<Roles> {
    const { slots, primary } = await readStatus(this.options.command);
    const [first, second, third] = slots;
    if (first === undefined || second === undefined || third !== undefined)
      throw new Error(`rauc has ${slots.length} slots with a bootname, the agent needs two`);
    const pair = [first, second];
    const booted = pair.find((slot) => slot.booted);
    if (booted === undefined) throw new Error('rauc does not know which slot is booted');
    const active = pair.find((slot) => slot.name === primary) ?? booted;
    const recorded = pair.find((slot) => slot.name === this.record.confirmed);
    // RAUC wrote what runs, and not for the agent: what its record says of the time before must not keep it from going
    // on from here. Where RAUC does not know what it wrote the record holds, for it leads back.
    const written = active === booted && booted.content !== null;
    const foreign = written && this.record.releaseIn(booted) === null;
    const confirmed = foreign || recorded === undefined ? booted : recorded;
    return { active, booted, confirmed, other: active === first ? second : first };
  }

  describe(slot: RaucSlot): Slot {
    return { name: slot.name, installed: this.record.releaseIn(slot) };
  }

  /** RAUC writes the slot that is not booted: that must be neither on trial nor what a trial reverts to. */
  private async spare(): Promise<Roles> {
    const roles = await this.slots();
    const { active, confirmed } = roles;
    if (active !== confirmed)
      throw new Error(`slot ${active.name} is on trial, ${confirmed.name} is where it reverts to`);
    if (!active.booted) throw new Error(`slot ${active.name} is active but not booted`);
    return roles;
  }

  async install(artifact: string, target: VerifiedTarget): Promise<void> {
    const { active, other } = await this.spare();
    this.record.confirm(active.name);
    this.record.forget(other.name);
    const { command, installTimeoutMs = INSTALL_MS } = this.options;
    await runRauc(command, ['install', artifact], installTimeoutMs);
    const after = await this.slots();
    if (after.active.name !== active.name) {
      await markSlot(command, 'active', active.name);
      throw new Error(
        'rauc activated what it installed: system.conf needs activate-installed=false',
      );
    }
    this.record.installed(after.other, releaseOf(target));
  }

  /** Done before, where a slot is on trial already. */
  async activate(): Promise<void> {
    const { active, confirmed, other } = await this.slots();
    if (active !== confirmed) return;
    if (this.record.releaseIn(other) === null)
      throw new Error(`slot ${other.name} does not hold what the agent installed`);
    this.record.confirm(confirmed.name);
    await markSlot(this.options.command, 'active', other.name);
  }

  async confirm(): Promise<void> {
    const { active } = await this.slots();
    if (!active.booted) throw new Error(`slot ${active.name} is active but not booted`);
    await markSlot(this.options.command, 'good', active.name);
    this.record.confirm(active.name);
  }

  /** The switch back is one step of the boot loader; that the other is bad is for its own attempts to heal. */
  async revert(): Promise<void> {
    const { active, confirmed } = await this.slots();
    if (active === confirmed) return;
    await markSlot(this.options.command, 'active', confirmed.name);
    await markSlot(this.options.command, 'bad', active.name);
  }

  /** RAUC can't empty a slot; one of which nothing is known is never activated. */
  async discard(): Promise<void> {
    const { other } = await this.spare();
    this.record.forget(other.name);
  }
}
