import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import type { OperationContext, OperationOutcome } from '../../../device-agent/operations/types';
import type { StartResult, StopResult } from '../../../device-agent/supervisor/application';
import { holds } from '../../../device-agent/update/outcome';
import { releaseOf } from '../../../device-agent/update/installed-release';
import type { InstalledRelease, Installer, Slot } from '../../../device-agent/update/types';
import { UpdateJournal } from '../../../device-agent/update/update-journal';
import { DeviceUpdater } from '../../../device-agent/update/updater';
import { targetOf } from './artifact-server';

type Name = 'A' | 'B';
const other = (name: Name): Name => (name === 'A' ? 'B' : 'A');

export const KEY = 'job#1';
export const TARGET = targetOf(Buffer.from('bundle'), 'http://localhost/', 'pump-2.0.0.raucb');
export const MAX_STARTS = 3;

/** A device whose boot loader switches, as RAUC's does, over as many lives of the agent as a test wants. */
export class RebootBed {
  readonly dir = mkdtempSync(join(tmpdir(), 'reboot-'));
  /** The boot loader's and the record's word, which outlive the agent. */
  booted: Name = 'A';
  primary: Name = 'A';
  confirmed: Name = 'A';
  readonly releases: Record<Name, InstalledRelease | null> = { A: null, B: null };
  /** What comes of the next requests for a restart, the last of them for ever. */
  reboots: ('restarts' | 'ends the agent' | 'is refused' | 'does nothing')[] = ['restarts'];
  asked = 0;
  /** The new release ends by itself. */
  exits = false;
  /** How often switching back fails. */
  revertFails = 0;
  revertPauseMs = 1;
  recorded: [string, OperationOutcome][] = [];

  /** Resolves with the outcome of the job, or with `ended` where agent or device went first. */
  async life(key = KEY): Promise<OperationOutcome | 'ended'> {
    const { updater, ended } = new RebootLife(this);
    const lived = async () => {
      await updater.resume();
      return updater.install(TARGET.name, contextOf(key));
    };
    return Promise.race([lived(), ended]);
  }

  async untilTheEnd(): Promise<OperationOutcome> {
    for (let lives = 1; lives <= 40; lives += 1) {
      const outcome = await this.life();
      if (outcome !== 'ended') return outcome;
    }
    throw new Error('no end');
  }

  journal(): UpdateJournal {
    return new UpdateJournal(join(this.dir, 'updates'));
  }

  describe(name: Name): Slot {
    return { name, installed: this.releases[name] };
  }
}

const contextOf = (key: string): OperationContext => ({
  key,
  startedBefore: false,
  progress: () => Promise.resolve('reported'),
  gate: () => Promise.resolve('passed'),
});

class RebootLife {
  readonly updater: DeviceUpdater;
  readonly ended: Promise<'ended'>;
  private end: () => void = () => undefined;
  private over = false;

  constructor(private readonly bed: RebootBed) {
    this.ended = new Promise((resolve) => (this.end = () => resolve('ended')));
    this.updater = this.createUpdater();
  }

  /** Never resolves once this life is over. */
  private alive<T>(act: () => T): Promise<T> {
    return this.over
      ? new Promise<T>(() => undefined)
      : new Promise<T>((resolve) => resolve(act()));
  }

  private reboot(): Promise<void> {
    const { bed } = this;
    bed.asked += 1;
    const [next = 'restarts', ...rest] = bed.reboots;
    if (rest.length > 0) bed.reboots = rest;
    if (next === 'is refused')
      return Promise.reject(new Error('interactive authentication required'));
    if (next === 'does nothing') return Promise.resolve();
    if (next === 'restarts') bed.booted = bed.primary;
    this.over = true;
    this.end();
    return new Promise(() => undefined);
  }

  private installer(): Installer {
    const { bed } = this;
    return {
      restarts: 'device',
      active: () => this.alive(() => bed.describe(bed.primary)),
      booted: () => this.alive(() => bed.describe(bed.booted)),
      confirmed: () => this.alive(() => bed.describe(bed.confirmed)),
      spaceNeeded: () => Promise.resolve(0),
      install: (_artifact, target) =>
        this.alive(() => {
          if (bed.primary !== bed.confirmed) throw new Error(`slot ${bed.primary} is on trial`);
          if (bed.primary !== bed.booted) throw new Error(`slot ${bed.primary} is not booted`);
          bed.releases[other(bed.primary)] = releaseOf(target);
        }),
      activate: () => this.alive(() => void (bed.primary = other(bed.confirmed))),
      confirm: () =>
        this.alive(() => {
          if (bed.primary !== bed.booted) throw new Error('active but not booted');
          bed.confirmed = bed.primary;
        }),
      revert: () =>
        this.alive(() => {
          bed.revertFails -= 1;
          if (bed.revertFails >= 0) throw new Error('rauc gives no answer');
          bed.primary = bed.confirmed;
        }),
      discard: () => this.alive(() => void (bed.releases[other(bed.primary)] = null)),
    };
  }

  private application() {
    const { bed } = this;
    const runs: StartResult = { ok: true, state: 'running' };
    const stopped: StopResult = { was: 'not running' };
    return {
      start: () => this.alive(() => runs),
      stop: () => this.alive(() => stopped),
      try: (onEnd: (how: string) => void) =>
        this.alive(() => {
          if (!holds(bed.describe(bed.booted), TARGET)) throw new Error('the old release on trial');
          if (bed.exits) setTimeout(() => onEnd('exit code 3'), 1);
          return runs;
        }),
      keep: () => undefined,
    };
  }

  private createUpdater(): DeviceUpdater {
    const { bed } = this;
    return new DeviceUpdater({
      journal: bed.journal(),
      trust: { target: () => Promise.resolve(TARGET) },
      installer: this.installer(),
      application: this.application(),
      dir: join(bed.dir, 'updates'),
      fetchArtifact: ({ path }) => {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, 'bundle');
        return Promise.resolve();
      },
      fetching: { bytesPerSecond: null, stalledMs: 1_000 },
      reboot: () => this.reboot(),
      rebootWithinMs: 20,
      revertPauseMs: bed.revertPauseMs,
      complaint: () => null,
      contained: () => false,
      reachesCloud: () => Promise.resolve(true),
      place: () => Promise.resolve({ cwd: undefined, env: {} }),
      settings: {
        health: { kind: 'exit' },
        confirmMs: 20,
        connectWithinMs: 300,
        checkTimeoutMs: 50,
        maxStarts: MAX_STARTS,
      },
      hardware: 'pump-1',
      factoryVersion: '1.0.0',
      recordOutcome: (key, outcome) => void bed.recorded.push([key, outcome]),
      onChange: () => undefined,
      now: () => new Date(),
      log: pino({ level: 'silent' }),
    });
  }
}
