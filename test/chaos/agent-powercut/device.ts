import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { CancelJobCommand } from '@aws-sdk/client-iot';
import { startChild, type Child } from '../../../local/stack/child';
import { createDevice, createJob, readExecution } from '../../support/devices';
import type { PowercutSettings } from './preload/main';
import { HARDWARE, makeFactoryDisk } from './releases';
import type { Scenario } from './scenarios';
import type { World } from './world';

interface LogEntry {
  event?: string;
  [key: string]: unknown;
}

/** A shell takes its time to end on a busy machine; nobody waits for a good release longer than needed. */
const CONFIRM_MS = { good: 100, bad: 5_000 };

/** One device of a sweep, with a disk that is new for each run, and a real agent. */
export class Device {
  readonly disk: string;
  readonly report: string;
  /** Of this run, over all starts. */
  entries: LogEntry[] = [];
  private child: Child | null = null;

  private constructor(
    private readonly world: World,
    readonly thing: string,
    private readonly dir: string,
  ) {
    this.disk = join(dir, 'disk');
    this.report = join(dir, 'report');
  }

  static async create(world: World, thing: string): Promise<Device> {
    const { dir } = await createDevice(world.clients.iot, thing, world.certificate);
    rmSync(dir, { recursive: true });
    const device = new Device(world, thing, join(world.dir, thing));
    mkdirSync(device.dir);
    return device;
  }

  fresh({ from, release }: Pick<Scenario, 'from' | 'release'>): void {
    const config = this.config(CONFIRM_MS[release === 'bad' ? 'bad' : 'good']);
    writeFileSync(join(this.dir, 'agents.json'), JSON.stringify({ agents: [config] }));
    rmSync(this.disk, { recursive: true, force: true });
    rmSync(this.report, { recursive: true, force: true });
    mkdirSync(this.report);
    if (from === 'factory') makeFactoryDisk(this.disk);
    else cpSync(this.world.seasoned, this.disk, { recursive: true, verbatimSymlinks: true });
    this.entries = [];
  }

  async createJob(jobId: string, target: string): Promise<void> {
    const { emulator, clients } = this.world;
    const document = { version: 1, requestedBy: 'powercut', operation: 'install', target };
    const job = { jobId, thing: this.thing, document: JSON.stringify(document) };
    await createJob(emulator, clients.iot, job);
  }

  async statusOf(jobId: string): Promise<string> {
    const { status } = await readExecution(this.world.clients.iot, this.thing, jobId);
    return status ?? 'none';
  }

  /** So that nothing of a run that went wrong is left for the next. */
  async clearJob(jobId: string): Promise<void> {
    await this.world.clients.iot
      .send(new CancelJobCommand({ jobId, force: true }))
      .catch(() => undefined);
  }

  /** `under`: a command that runs the agent. */
  start(powercut: Partial<PowercutSettings> | null, under: readonly string[] = []): Child {
    const { agent, preload } = this.world;
    const settings: PowercutSettings = {
      disk: this.disk,
      report: this.report,
      cut: null,
      trace: false,
      hold: null,
      lies: [],
      ...powercut,
    };
    const loaded = powercut === null ? [] : ['--require', preload];
    const whole = [...under, process.execPath, ...loaded, agent, join(this.dir, 'agents.json')];
    const [command, ...rest] = whole;
    this.child = startChild({
      name: this.thing,
      command: command ?? process.execPath,
      args: rest,
      env: { POWERCUT: JSON.stringify(settings) },
      onLine: (line) => this.note(line),
    });
    return this.child;
  }

  async end(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.child?.exited;
  }

  get alive(): boolean {
    return this.child?.running() ?? false;
  }

  tail(): string {
    return this.child?.tail() ?? '';
  }

  /** Null unless an agent ended itself by a cut. */
  get died(): { op: string; path: string } | null {
    const file = join(this.report, 'died');
    if (!existsSync(file)) return null;
    return JSON.parse(readFileSync(file, 'utf8')) as { op: string; path: string };
  }

  get escaped(): string | null {
    const file = join(this.report, 'escaped');
    return existsSync(file) ? readFileSync(file, 'utf8') : null;
  }

  /** Whether an application runs, from the slot that is active. */
  get applicationRuns(): boolean {
    const events = this.entries.filter(({ event }) =>
      /^application (started|ended)$/.test(event ?? ''),
    );
    const last = events.at(-1);
    if (last?.event !== 'application started') return false;
    try {
      const folder = readlinkSync(`/proc/${String(last['pid'])}/cwd`);
      return folder === realpathSync(join(this.disk, 'slots', 'active', 'root'));
    } catch {
      return false;
    }
  }

  /** The ends of this job that any life of the agent told the service. */
  reportedEnds(jobId: string): string[] {
    const ends = this.entries.filter(
      (entry) => entry.event === 'job ended' && entry['jobId'] === jobId,
    );
    return [...new Set(ends.map((entry) => String(entry['status'])))];
  }

  private note(line: string): void {
    if (!line.startsWith('{')) return;
    this.entries.push(JSON.parse(line) as LogEntry);
  }

  private config(confirmMs: number): object {
    const { emulator, certificate, repository, rootFile } = this.world;
    return {
      thing: this.thing,
      ...emulator.mqtt,
      certFile: certificate.certFile,
      keyFile: certificate.keyFile,
      stateDir: join(this.disk, 'state'),
      firmwareVersion: 'factory',
      hardwareVersion: HARDWARE,
      answerTimeoutMs: 3_000,
      reconnect: { baseMs: 20, capMs: 200, stableAfterMs: 1_000 },
      jobs: { retry: { baseMs: 20, capMs: 100 }, retryLaterMs: 500 },
      application: {
        command: 'sh',
        args: ['run.sh'],
        env: { PATH: process.env['PATH'] ?? '' },
        graceMs: 1_000,
        restart: { baseMs: 50, capMs: 200, stableAfterMs: 1_000 },
      },
      updates: {
        metadataUrl: repository.metadataUrl,
        targetsUrl: repository.targetsUrl,
        rootFile,
        dir: join(this.disk, 'updates'),
        installer: { kind: 'slots', dir: join(this.disk, 'slots') },
        confirmMs,
        checkTimeoutMs: 1_000,
      },
    };
  }
}
