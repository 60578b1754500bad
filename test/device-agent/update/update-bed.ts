import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import type {
  GateAnswer,
  OperationContext,
  OperationOutcome,
} from '../../../device-agent/operations/types';
import type { StartResult, StopResult } from '../../../device-agent/supervisor/application';
import type { HealthSettings } from '../../../device-agent/update/health';
import { createSlotsInstaller } from '../../../device-agent/update/installers/slots';
import type { UpdateState } from '../../../device-agent/update/machine';
import type { Installer, Slot, VerifiedTarget } from '../../../device-agent/update/types';
import { UpdateJournal } from '../../../device-agent/update/update-journal';
import { DeviceUpdater } from '../../../device-agent/update/updater';
import { targetOf } from './artifact-server';
import { tarOf } from './tar';

export type Act =
  'trust' | 'fetch' | 'install' | 'gate' | 'activate' | 'try' | 'confirm' | 'revert' | 'discard';

export interface Faults {
  /** The power goes when this state is on disk, before its step begins; in so many lives. */
  killIn?: UpdateState;
  /** The power goes when this was done, before that is on disk. */
  killAfter?: Act;
  kills?: number;
  /** Fails, each time. */
  fail?: Act;
  failWith?: Error;
  gate?: GateAnswer;
  /** A later life's first questions which slot is confirmed find no answer; so many of them. */
  busy?: number;
  /** The new application ends by itself. */
  exits?: boolean;
  health?: HealthSettings['health'];
}

export const KEY = 'job#1';
export const ARTIFACT = tarOf([{ path: 'main.js', content: 'new' }]);
export const TARGET = targetOf(ARTIFACT, 'http://localhost/', 'pump/2.0.0.tar');
const MAX_STARTS = 3;

/** One device's disk, over as many lives of the updater as a test wants; the power may go in each of them. */
export class UpdateBed {
  readonly dir = mkdtempSync(join(tmpdir(), 'update-'));
  readonly slots = join(this.dir, 'slots');
  contained = false;
  /** Whether the cloud answers the agent. */
  connected = (): boolean => true;
  target: VerifiedTarget = TARGET;
  /** Starts of the release on trial. */
  trials = 0;
  fetched = 0;
  /** What was recorded as the end of each execution, in order. */
  recorded: [string, OperationOutcome][] = [];
  states: string[] = [];
  private killsLeft: number;

  constructor(readonly faults: Faults = {}) {
    this.killsLeft = faults.kills ?? 1;
    mkdirSync(join(this.slots, 'a', 'root'), { recursive: true });
    writeFileSync(join(this.slots, 'a', 'root', 'main.js'), 'factory');
  }

  get journalFile(): string {
    return join(this.dir, 'updates', 'update.json');
  }

  /** What the confirmed slot holds, and whether that is what is started. */
  running(): { software: string; settled: boolean } {
    const confirmed = readlinkSync(join(this.slots, 'confirmed'));
    const software = readFileSync(join(this.slots, confirmed, 'root', 'main.js'), 'utf8');
    return { software, settled: readlinkSync(join(this.slots, 'active')) === confirmed };
  }

  killNow(): boolean {
    if (this.killsLeft <= 0) return false;
    this.killsLeft -= 1;
    return true;
  }

  life(): Life {
    return new Life(this);
  }
}

/** Never resolves: without power nothing goes on. */
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

export class Life {
  readonly updater: DeviceUpdater;
  readonly journal: UpdateJournal;
  readonly died: Promise<'died'>;
  application = 'stopped';
  gateAsked = 0;
  progressAnswer: 'reported' | 'gone' | 'unreported' = 'reported';
  endTrial: (how: string) => void = () => undefined;
  private dead = false;
  private tellDeath: () => void = () => undefined;

  constructor(private readonly bed: UpdateBed) {
    this.died = new Promise((resolve) => (this.tellDeath = () => resolve('died')));
    this.journal = new UpdateJournal(join(bed.dir, 'updates'));
    const enter = this.journal.enter.bind(this.journal);
    this.journal.enter = (update) => {
      if (this.dead) throw new Error('no power');
      enter(update);
      bed.states.push(update.state);
      if (update.state === bed.faults.killIn && bed.killNow()) this.die();
    };
    const finish = this.journal.finish.bind(this.journal);
    this.journal.finish = (...ending) => {
      if (this.dead) throw new Error('no power');
      finish(...ending);
    };
    this.updater = this.createUpdater();
  }

  private isDead(): boolean {
    return this.dead;
  }

  die(): void {
    this.dead = true;
    this.tellDeath();
  }

  context(key = KEY): OperationContext {
    return {
      key,
      startedBefore: false,
      progress: () => Promise.resolve(this.progressAnswer),
      gate: () => {
        this.gateAsked += 1;
        return this.act('gate', () => Promise.resolve(this.bed.faults.gate ?? 'passed'));
      },
    };
  }

  /** Until the agent has the outcome of the job, or the power goes. */
  async run(key = KEY): Promise<OperationOutcome | 'died'> {
    const lived = async (): Promise<OperationOutcome> => {
      await this.updater.resume();
      return this.updater.install(this.bed.target.name, this.context(key));
    };
    return Promise.race([lived(), this.died]);
  }

  private async act<T>(what: Act, act: () => Promise<T>): Promise<T> {
    if (this.dead) return never();
    const { fail, failWith, killAfter } = this.bed.faults;
    if (fail === what) throw failWith ?? new Error(`${what} fails`);
    const result = await act();
    if (killAfter === what && this.bed.killNow()) this.die();
    return this.isDead() ? never() : result;
  }

  private installer(): Installer {
    const real = createSlotsInstaller({ dir: this.bed.slots });
    const alive = <T>(act: () => Promise<T>): Promise<T> => (this.dead ? never() : act());
    return {
      restarts: 'application',
      active: () => alive(() => real.active()),
      confirmed: () => alive(() => (this.isBusy() ? this.noAnswer() : real.confirmed())),
      spaceNeeded: () => Promise.resolve(0),
      install: (artifact, target) => this.act('install', () => real.install(artifact, target)),
      activate: () => this.act('activate', () => real.activate()),
      confirm: () => this.act('confirm', () => real.confirm()),
      revert: () => this.act('revert', () => real.revert()),
      discard: () => this.act('discard', () => real.discard()),
    };
  }

  private isBusy(): boolean {
    const { faults, states } = this.bed;
    if (faults.busy === undefined || !states.includes('committing')) return false;
    faults.busy -= 1;
    return faults.busy === 0;
  }

  private noAnswer(): Promise<Slot> {
    return Promise.reject(new Error('no answer yet'));
  }

  private supervised() {
    return {
      start: (): Promise<StartResult> => {
        if (this.dead) return never();
        if (this.application === 'stopped') this.application = 'confirmed';
        return Promise.resolve({ ok: true, state: 'running' });
      },
      stop: (): Promise<StopResult> => {
        if (this.dead) return never();
        this.application = 'stopped';
        return Promise.resolve({ was: 'not running' });
      },
      try: (onEnd: (how: string) => void): Promise<StartResult> =>
        this.act('try', () => {
          this.bed.trials += 1;
          this.application = 'trial';
          this.endTrial = onEnd;
          if (this.bed.faults.exits) setTimeout(() => onEnd('exit code 3'), 5);
          return Promise.resolve({ ok: true, state: 'running' });
        }),
      keep: () => undefined,
    };
  }

  private createUpdater(): DeviceUpdater {
    const { bed } = this;
    return new DeviceUpdater({
      journal: this.journal,
      trust: { target: () => this.act('trust', () => Promise.resolve(bed.target)) },
      installer: this.installer(),
      application: this.supervised(),
      dir: join(bed.dir, 'updates'),
      fetchArtifact: ({ path }) =>
        this.act('fetch', () => {
          bed.fetched += 1;
          mkdirSync(dirname(path), { recursive: true });
          writeFileSync(path, ARTIFACT);
          return Promise.resolve();
        }),
      fetching: { bytesPerSecond: null, stalledMs: 1_000 },
      reboot: () => Promise.resolve(),
      revertPauseMs: 1,
      complaint: () => null,
      contained: () => bed.contained,
      reachesCloud: () => Promise.resolve(bed.connected()),
      place: () => (this.dead ? never() : Promise.resolve({ cwd: undefined, env: {} })),
      settings: {
        health: bed.faults.health ?? { kind: 'exit' },
        confirmMs: 30,
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

/** Lives until one of them has the outcome; the number of lives that took. */
export async function untilTheEnd(bed: UpdateBed): Promise<{
  outcome: OperationOutcome;
  lives: number;
  last: Life;
}> {
  for (let lives = 1; lives <= 60; lives += 1) {
    const last = bed.life();
    const outcome = await last.run();
    if (outcome !== 'died') return { outcome, lives, last };
  }
  throw new Error(`no end: ${bed.states.join(' ')}`);
}
