import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { AwsClients } from '../../../activities/aws/clients';
import type { Agent } from '../../../device-agent/agent';
import type { ReportedState } from '../../../domain/device-protocol/telemetry';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  createCertificate,
  createDevice,
  createJob,
  eventually,
  prepareAccount,
  readExecution,
  type TestDevice,
} from '../../support/devices';
import { createRepository, type TufRepository } from '../../support/tuf-repository';
import { serveRepository, type RepositoryServer } from '../../support/tuf-server';
import { startAgent, type LogEntry, type Overrides, type StartedAgent } from '../agents';
import { Watcher } from '../watcher';

const subject = { version: 1, requestedBy: 'test' };
export const CONTAIN = { ...subject, operation: 'contain', reason: 'floods' };
export const RESUME = { ...subject, operation: 'resume' };
export const STATUS = { ...subject, operation: 'diagnostics', verb: 'status' };
export const install = (target: string) => ({ ...subject, operation: 'install', target });

/** Runs until it is stopped, and says which version it is and what time it is, every 20 ms. */
const program = (version: string): string =>
  `setInterval(() => console.log(JSON.stringify({ publish: {
     topic: 'dt/' + process.env.THING + '/readings',
     payload: { version: '${version}', at: Date.now() } } })), 20);
   process.stdin.on('close', () => process.exit(0)).resume();`;

function artifact(version: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'software-'));
  writeFileSync(join(folder, 'main.js'), program(version));
  return execFileSync('tar', ['-C', folder, '-cf', '-', 'main.js']);
}

/** A cloud, an update repository with 1.1.0 and 1.2.0, and devices that run 1.0.0. */
export class Field {
  private running: Agent[] = [];
  private jobs = 0;

  private constructor(
    readonly emulator: Emulator,
    readonly clients: AwsClients,
    readonly watcher: Watcher,
    readonly repository: TufRepository,
    readonly server: RepositoryServer,
  ) {}

  static async open(): Promise<Field> {
    const emulator = await startEmulator();
    const clients = await prepareAccount(emulator);
    const certificate = await createCertificate(clients.iot);
    const watcher = await Watcher.open(emulator, clients.iot, certificate, [
      'dt/#',
      '$aws/things/#',
    ]);
    const repository = createRepository(mkdtempSync(join(tmpdir(), 'updates-')));
    const common = { securityEpoch: 0, hardware: ['b'] };
    for (const [version, release] of [
      ['1.1.0', 2],
      ['1.2.0', 3],
    ] as const) {
      const custom = { ...common, version, release };
      repository.addTarget(`pump/${version}.tar`, artifact(version), custom);
    }
    repository.publish();
    const server = await serveRepository(repository);
    return new Field(emulator, clients, watcher, repository, server);
  }

  async stopAgents(): Promise<void> {
    await Promise.all(this.running.map((agent) => agent.stop()));
    this.running = [];
    this.server.clear();
  }

  async close(): Promise<void> {
    await this.watcher.close();
    await this.server.close();
    await this.emulator.stop();
  }

  newDevice(thing: string): Promise<TestDevice> {
    return createDevice(this.clients.iot, thing);
  }

  async start(device: TestDevice, overrides: Overrides = {}): Promise<StartedAgent> {
    const started = await startAgent(this.emulator, device, {
      ...this.settings(device),
      ...overrides,
    });
    this.running.push(started.agent);
    return started;
  }

  async stop(agent: Agent): Promise<void> {
    this.running = this.running.filter((other) => other !== agent);
    await agent.stop();
  }

  /** Resolves with the job's id. */
  async offer({ thing }: TestDevice, document: object): Promise<string> {
    const jobId = `${thing}-${(this.jobs += 1)}`;
    await createJob(this.emulator, this.clients.iot, {
      jobId,
      thing,
      document: JSON.stringify(document),
    });
    return jobId;
  }

  /** The execution once it is terminal: its status and details. */
  async ended({ thing }: TestDevice, jobId: string): Promise<Record<string, string>> {
    const { status, statusDetails } = await eventually(
      () => readExecution(this.clients.iot, thing, jobId),
      (execution) => execution.status !== 'QUEUED' && execution.status !== 'IN_PROGRESS',
      25_000,
    );
    return { status: String(status), ...statusDetails?.detailsMap };
  }

  async run(device: TestDevice, document: object): Promise<Record<string, string>> {
    return this.ended(device, await this.offer(device, document));
  }

  shadow({ thing }: TestDevice): ReportedState | null {
    const { body } = this.watcher.on(`$aws/things/${thing}/shadow/update`).at(-1) ?? {};
    const state = body?.['state'] as { reported: ReportedState } | undefined;
    return state?.reported ?? null;
  }

  shadowOnce(device: TestDevice, fits: (state: ReportedState) => boolean): Promise<unknown> {
    const read = () => this.shadow(device);
    return eventually(read, (state) => state !== null && fits(state), 25_000);
  }

  readings({ thing }: TestDevice): { version: string; at: number }[] {
    const seen = this.watcher.on(`dt/${thing}/readings`);
    return seen.map(({ body }) => body as { version: string; at: number });
  }

  /** Its application runs now, and is this one. */
  async reads(device: TestDevice, version: string): Promise<void> {
    const since = Date.now();
    await eventually(
      () => this.readings(device).at(-1),
      (reading) => reading !== undefined && reading.at > since && reading.version === version,
      25_000,
    );
  }

  private settings(device: TestDevice): Overrides {
    const slots = join(device.dir, 'slots');
    const file = join(slots, 'a', 'root', 'main.js');
    if (!existsSync(file)) mkdirSync(dirname(file), { recursive: true });
    if (!existsSync(file)) writeFileSync(file, program('1.0.0'));
    return {
      firmwareVersion: '1.0.0',
      application: {
        command: process.execPath,
        args: ['main.js'],
        env: { THING: device.thing },
        graceMs: 2_000,
        restart: { baseMs: 50, capMs: 200, stableAfterMs: 1_000 },
      },
      updates: {
        metadataUrl: this.server.metadataUrl,
        targetsUrl: this.server.targetsUrl,
        rootFile: this.repository.rootFile,
        dir: join(device.dir, 'updates'),
        installer: { kind: 'slots', dir: slots },
        confirmMs: 400,
      },
    };
  }
}

export const confirmedSlot = ({ dir }: TestDevice): string =>
  readlinkSync(join(dir, 'slots', 'confirmed'));

export const eventsOf = (entries: LogEntry[], event: string): LogEntry[] =>
  entries.filter((entry) => entry.event === event);

/** Waits for a log entry that fits. */
export function logged(
  entries: LogEntry[],
  event: string,
  fits: (entry: LogEntry) => boolean = () => true,
): Promise<unknown> {
  const found = () => eventsOf(entries, event).filter(fits).length;
  return eventually(found, (count) => count > 0, 25_000);
}
