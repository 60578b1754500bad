import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ReportedState, Telemetry } from '../domain/device-protocol/telemetry';
import type { AgentConfig } from './config';
import type { Updater } from './operations/install';
import type { UpdatesSettings } from './settings';
import { Clock } from './state/clock';
import type { Journal } from './state/journal';
import { Application, type StartResult, type StopResult } from './supervisor/application';
import { parseLine, type ApplicationPublish } from './supervisor/protocol';
import type { Line } from './diagnostics/bundle';
import { createTrust } from './trust/trust';
import { fetchArtifact } from './update/download';
import { createRaucInstaller } from './update/installers/rauc';
import { createSlotsInstaller } from './update/installers/slots';
import { rebootBy } from './update/reboot';
import type { Installer, Trust } from './update/types';
import { UpdateJournal } from './update/update-journal';
import { DeviceUpdater } from './update/updater';

export interface SoftwareDependencies {
  journal: Journal;
  onPublish: (message: ApplicationPublish) => void;
  /** The application, its health, its version, its slot or an update changed. */
  onChange: () => void;
  onRestart: () => void;
  /** Whether the cloud answers now. Never rejects. */
  reachesCloud: () => Promise<boolean>;
  log: Logger;
  /** As writeFileAtomically. */
  write: (path: string, content: string) => void;
  /** Instead of the update repository that the configuration names. */
  trust?: Trust;
}

/** What runs on the device: the application, the slot that it runs in and the update that may replace it. */
export class Software {
  readonly application: Application;
  readonly updater: (Updater & DeviceUpdater) | null;
  /** What the application says of itself; null until it does. */
  private saidHealth: Telemetry['health'] | null = null;
  private readonly installer: Installer | null;
  private readonly updateJournal: UpdateJournal | null;
  private readonly clock: Clock;

  constructor(
    private readonly config: AgentConfig,
    private readonly deps: SoftwareDependencies,
  ) {
    const { application, stateDir, updates } = config;
    const folder = () => this.folder();
    const events = {
      onLine: (line: string) => this.onLine(line),
      onState: () => this.onState(),
      onRestart: deps.onRestart,
    };
    this.clock = new Clock(stateDir, Date.now, deps.write);
    this.application = new Application(application, stateDir, events, deps.log, folder);
    this.installer = updates === null ? null : createInstaller(updates);
    this.updateJournal = updates === null ? null : new UpdateJournal(updates.dir, deps.write);
    this.updater = updates === null ? null : this.createUpdater(updates);
  }

  /** Goes on with an update that was under way, before anything is started. */
  async begin(): Promise<void> {
    const { journal, log } = this.deps;
    await this.application.reapOrphan();
    const { updater } = this;
    // Only what an update repository signs expires.
    if (updater !== null) this.clock.keep();
    const asUsual = updater === null || (await updater.resume());
    log.info({ event: 'software', slot: this.slot, version: this.version, asUsual });
    if (asUsual && journal.containment === null) await this.application.start();
  }

  /** For an end of containment: a release on trial is started by its update, which counts the start. */
  async start(): Promise<StartResult> {
    if (await this.updater?.onResumed()) {
      const { state } = this.application;
      if (state !== 'failed') return { ok: true, state };
      return { ok: false, state, reason: 'the release on trial can’t be started' };
    }
    return this.application.start();
  }

  onContained(): void {
    this.updater?.onContained();
  }

  stop(): Promise<StopResult> {
    this.clock.stop();
    return this.application.stop();
  }

  get status(): Telemetry['application'] {
    return this.deps.journal.containment === null ? this.application.state : 'contained';
  }

  get health(): Telemetry['health'] {
    return this.saidHealth ?? this.config.health;
  }

  get version(): string {
    return this.updater?.active?.installed?.version ?? this.config.firmwareVersion;
  }

  /** Null on a device without updates. */
  get slot(): string | null {
    return this.updater?.active?.name ?? null;
  }

  /** Null on a device without updates: a shadow then holds nothing of it. */
  get update(): ReportedState['update'] {
    return this.updateJournal?.reported() ?? null;
  }

  /** The last few, newest last. */
  get updates(): ReportedState['updates'] {
    const past = this.updateJournal?.history ?? [];
    return past.map(({ version, outcome, at }) => ({ version, outcome: outcome.status, at }));
  }

  /** For diagnostics. */
  async slots(): Promise<Line> {
    const { installer, updateJournal } = this;
    if (installer === null || updateJournal === null) return {};
    const { current, floor, history } = updateJournal;
    const [active, confirmed] = [await installer.active(), await installer.confirmed()];
    return JSON.parse(JSON.stringify({ active, confirmed, floor, current, history })) as Line;
  }

  private onLine(line: string): void {
    const { journal, log, onPublish, onChange } = this.deps;
    if (journal.containment !== null) return;
    const parsed = parseLine(line, this.config.thing);
    if (!parsed.ok) {
      log.debug({ event: 'application message refused', problem: parsed.problem });
    } else if ('publish' in parsed.message) {
      onPublish(parsed.message.publish);
    } else if (parsed.message.health !== this.health) {
      this.saidHealth = parsed.message.health;
      onChange();
    }
  }

  private onState(): void {
    // What an application said of itself ends with it.
    if (this.application.state !== 'running') this.saidHealth = null;
    this.deps.onChange();
  }

  /** An unconfirmed slot is run only under the update that counts its starts. */
  private async folder(): Promise<string | undefined> {
    const settings = this.config.updates?.installer;
    if (settings?.kind !== 'slots' || this.installer === null || this.updater === null) return;
    const { onTrial } = this.updater;
    const { name } = onTrial ? await this.installer.active() : await this.installer.confirmed();
    return realpathSync(join(settings.dir, name, 'root'));
  }

  private createUpdater(updates: UpdatesSettings): DeviceUpdater {
    const { config, deps, application, installer, updateJournal, clock } = this;
    if (installer === null || updateJournal === null) throw new Error('no installer');
    const { installer: slots, bytesPerSecond, stalledMs } = updates;
    const { metadataUrl, targetsUrl, rootFile } = updates;
    return new DeviceUpdater({
      journal: updateJournal,
      installer,
      application,
      trust:
        deps.trust ??
        createTrust({
          metadataUrl,
          targetsUrl,
          rootFile,
          dir: join(updates.dir, 'tuf'),
          now: () => clock.now(),
        }),
      dir: updates.dir,
      fetchArtifact,
      fetching: {
        bytesPerSecond,
        stalledMs,
        ...(slots.kind === 'slots' && { spaceFolder: slots.dir }),
      },
      reboot: slots.kind === 'rauc' ? rebootBy(slots.reboot) : () => Promise.resolve(),
      complaint: () =>
        this.saidHealth === 'unhealthy' ? 'the application says that it is unhealthy' : null,
      contained: () => deps.journal.containment !== null,
      reachesCloud: deps.reachesCloud,
      place: async () => ({ cwd: await this.folder(), env: config.application?.env ?? {} }),
      settings: updates,
      hardware: config.hardwareVersion,
      factoryVersion: config.firmwareVersion,
      recordOutcome: (key, outcome) => deps.journal.recordOutcome(key, outcome),
      onChange: deps.onChange,
      now: () => new Date(),
      log: deps.log,
    });
  }
}

function createInstaller({ installer: settings, dir }: UpdatesSettings): Installer {
  switch (settings.kind) {
    case 'slots':
      return createSlotsInstaller(settings);
    case 'rauc':
      return createRaucInstaller({ ...settings, stateFile: join(dir, 'rauc.json') });
  }
}
