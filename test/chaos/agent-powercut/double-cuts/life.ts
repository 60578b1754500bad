import { AsyncLocalStorage } from 'node:async_hooks';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Backoff } from '../../../../device-agent/connection/backoff';
import { JobsClient } from '../../../../device-agent/jobs/client';
import { JobRunner } from '../../../../device-agent/jobs/runner';
import { createInstall } from '../../../../device-agent/operations/install';
import type { Operations } from '../../../../device-agent/operations/types';
import { Clock } from '../../../../device-agent/state/clock';
import { Journal } from '../../../../device-agent/state/journal';
import { createTrust } from '../../../../device-agent/trust/trust';
import { fetchArtifact } from '../../../../device-agent/update/download';
import { createSlotsInstaller } from '../../../../device-agent/update/installers/slots';
import type { Trust } from '../../../../device-agent/update/types';
import { UpdateJournal } from '../../../../device-agent/update/update-journal';
import { DeviceUpdater } from '../../../../device-agent/update/updater';
import { tear, mannersFor, type Cut, type Manner } from '../cut';
import { Disk } from '../disk';
import { patchFs } from '../patch';
import type { Call, Operation } from '../patched-fs';
import { HARDWARE } from '../releases';
import type { Scenario } from '../scenarios';
import { SlotApplication } from './application';
import { cancel, JobsService, TERMINAL, type Execution } from './jobs-service';

/** What the calls of one life of the agent are told apart by, also after its power went. */
const lives = new AsyncLocalStorage<Life>();

export interface Repository {
  metadataUrl: string;
  targetsUrl: string;
  rootFile: string;
}

export interface LifeOptions {
  disk: string;
  repository: Repository;
  execution: Execution;
  scenario: Scenario;
  /** The manner by a number of [0, 1), among those that the call allows; null to live to the end. */
  cut: { at: number; manner: number; seed: number } | null;
}

const THING = 'double';
const REST_WITHIN_MS = 20_000;

class PowerCutError extends Error {}

/** To be called once in a process: from then on the calls of every life are counted and can be cut. */
export function watchLives(lies: readonly Operation[] = []): () => void {
  return patchFs(
    () => lives.getStore()?.disk ?? null,
    (call) => lives.getStore()?.onCall(call),
    lies,
  );
}

/** One life of an agent in this process: its own code and files, with the service and the application made up. */
export class Life {
  readonly model: Disk;
  /** Calls so far. */
  calls = 0;
  /** How and where the power went; null while it is there. */
  cut: Cut | null = null;
  /** Nothing that is still under way may touch the disk of the next life. */
  private over = false;
  private readonly gone: Promise<void>;
  private goes: () => void = () => undefined;
  /** So that what is left of it asks no more. */
  private stop: () => void = () => undefined;

  constructor(private readonly options: LifeOptions) {
    this.model = Disk.read(options.disk);
    this.gone = new Promise((resolve) => (this.goes = resolve));
  }

  /** Resolves once the power is gone (true), or the job over and the device at rest (false). */
  async live(): Promise<boolean> {
    const life = lives.run(this, () => this.run());
    life.catch(() => undefined);
    try {
      return await Promise.race([this.gone.then(() => true), life.then(() => false)]);
    } finally {
      this.over = true;
      lives.run(this, () => this.stop());
    }
  }

  /** For those whose power is gone there is none. */
  get disk(): Disk {
    if (this.over || this.cut !== null) throw new PowerCutError();
    return this.model;
  }

  onCall(call: Call): void {
    this.calls += 1;
    const { scenario, execution, cut } = this.options;
    const { cancelBefore } = scenario;
    if (cancelBefore?.op === call.op && call.path.includes(cancelBefore.path)) cancel(execution);
    if (cut === null || this.calls < cut.at) return;
    const manner = this.mannerFor(call, cut.manner);
    tear(call, manner);
    this.die(manner);
    throw new PowerCutError();
  }

  /** Also where nothing is going on. */
  die(manner: Manner): void {
    this.cut = { at: this.calls, manner, seed: this.options.cut?.seed ?? 0 };
    this.goes();
  }

  private mannerFor(call: Call, chance: number): Manner {
    const manners = mannersFor(call, this.model.unsynced);
    return manners[Math.floor(chance * manners.length)] ?? 'kill';
  }

  private async run(): Promise<void> {
    const { execution } = this.options;
    const agent = createAgentParts(this.options, () => this.over || this.cut !== null);
    this.stop = () => {
      agent.jobs.abandonAll();
      agent.runner.stop().catch(() => undefined);
      agent.updater.stop().catch(() => undefined);
    };
    const asUsual = await agent.updater.resume();
    if (asUsual) await agent.application.start();
    await agent.runner.refreshPatiently(() => true);
    const deadline = Date.now() + REST_WITHIN_MS;
    while (Date.now() < deadline && !this.over) {
      const atRest = agent.updates.current === null && agent.application.runsIn !== null;
      if (TERMINAL.has(execution.status) && atRest) return;
      await sleep(1);
    }
    throw new Error(`not at rest: the job is ${execution.status}, ${agent.updates.current?.state}`);
  }
}

function createAgentParts(options: LifeOptions, dead: () => boolean) {
  const { disk, repository, execution } = options;
  const log = pino({ level: 'silent' });
  const [state, dir, slots] = ['state', 'updates', 'slots'].map((name) => join(disk, name)) as [
    string,
    string,
    string,
  ];
  const journal = new Journal(state);
  const updates = new UpdateJournal(dir);
  const installer = createSlotsInstaller({ dir: slots });
  const folder = async (): Promise<string> => {
    const { name } = updater.onTrial ? await installer.active() : await installer.confirmed();
    return realpathSync(join(slots, name, 'root'));
  };
  const application = new SlotApplication(folder, dead);
  const clock = new Clock(state);
  const updater = new DeviceUpdater({
    journal: updates,
    installer,
    application,
    trust: createTrust({ ...repository, dir: join(dir, 'tuf'), now: () => clock.now() }),
    dir,
    fetchArtifact,
    fetching: { bytesPerSecond: null, stalledMs: 10_000, spaceFolder: slots },
    reboot: () => Promise.resolve(),
    revertPauseMs: 1,
    complaint: () => null,
    contained: () => false,
    reachesCloud: () => jobs.answers(),
    place: async () => ({ cwd: await folder(), env: {} }),
    settings: {
      health: { kind: 'exit' },
      confirmMs: 3,
      connectWithinMs: 10_000,
      checkTimeoutMs: 1_000,
      maxStarts: 3,
    },
    hardware: HARDWARE,
    factoryVersion: 'factory',
    recordOutcome: (key, outcome) => journal.recordOutcome(key, outcome),
    onChange: () => undefined,
    now: () => new Date(),
    log,
  });
  const service = new JobsService(THING, execution, (...reply) => jobs.receive(...reply), dead);
  const jobs = new JobsClient(THING, service, 5_000, log);
  const runner = new JobRunner({
    jobs,
    journal,
    operations: onlyInstall(updater),
    retry: () => new Backoff({ baseMs: 1, capMs: 5 }),
    retryLaterMs: 5,
    onPending: (keys) => updater.onPending(keys),
    log,
  });
  return { updater, application, updates, runner, jobs };
}

function onlyInstall(updater: DeviceUpdater): Operations {
  const refused = {
    lane: 'beside' as const,
    run: () => Promise.resolve({ status: 'REJECTED' as const, details: {} }),
  };
  return {
    install: createInstall({ updater }),
    contain: refused,
    resume: refused,
    probe: refused,
    diagnostics: refused,
  };
}

/** Whether the metadata that the device keeps can still be refreshed and a target looked up. */
export function trustOf(disk: string, repository: Repository): Trust {
  return createTrust({
    ...repository,
    dir: join(disk, 'updates', 'tuf'),
    now: () => new Date(),
  });
}
