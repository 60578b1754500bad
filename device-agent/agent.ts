import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ReportedState, Telemetry } from '../domain/device-protocol/telemetry';
import { jobTopics, shadowTopics } from '../domain/device-protocol/topics';
import { commandOf } from './commands';
import type { AgentConfig } from './config';
import { Backoff } from './connection/backoff';
import { Connection } from './connection/connection';
import { Outbox } from './connection/outbox';
import { Diagnostics } from './diagnostics/diagnostics';
import { JobsClient } from './jobs/client';
import { JobRunner } from './jobs/runner';
import { createOperations } from './operations/operations';
import { Reporter } from './reporter/reporter';
import { Journal } from './state/journal';
import { Application } from './supervisor/application';
import { parseLine } from './supervisor/protocol';
import { Publisher } from './supervisor/publisher';
import { AGENT_VERSION } from './version';

export interface Agent {
  readonly thing: string;
  /** Connects and, unless the device is contained, starts the application. */
  start(): Promise<void>;
  /** Finishes the job updates under way, stops the application, disconnects. Bounded in time. */
  stop(): Promise<void>;
  status(): Record<string, string>;
}

/** How long `stop` waits for jobs under way before it goes on. */
const FINISH_JOBS_MS = 10_000;

/** One device. Holds no module state: any number run in one process. */
export function createAgent(config: AgentConfig, log: Logger): Agent {
  return new DeviceAgent(config, log.child({ thing: config.thing }));
}

class DeviceAgent implements Agent {
  private readonly startedAt = Date.now();
  private readonly journal: Journal;
  private readonly connection: Connection;
  private readonly jobs: JobsClient;
  private readonly runner: JobRunner;
  private readonly application: Application;
  private readonly publisher: Publisher;
  private readonly reporter: Reporter;
  private readonly diagnostics: Diagnostics;
  private health: Telemetry['health'];
  /** The session whose pending jobs were read, so that reports may begin. */
  private readySession = 0;
  private stopping = false;

  constructor(
    private readonly config: AgentConfig,
    private readonly log: Logger,
  ) {
    const { thing, stateDir } = config;
    this.health = config.health;
    this.journal = new Journal(stateDir);
    this.connection = new Connection(
      { endpoint: config, reconnect: config.reconnect },
      {
        onOpen: () => void this.onOpen(),
        onClose: () => this.onClose(),
        onMessage: (topic, payload) => this.onMessage(topic, payload),
      },
      log,
    );
    const closesOnRefusal = config.protocolVersion === 4;
    const outbox = new Outbox(this.connection, closesOnRefusal, config.quiet);
    this.application = this.createApplication();
    this.publisher = new Publisher(
      { ...config.publishing, maxInFlight: closesOnRefusal ? 1 : config.publishing.maxInFlight },
      outbox,
      () => this.reporter.nudge(),
      log,
    );
    this.reporter = this.createReporter(outbox);
    this.jobs = new JobsClient(thing, this.connection, config.answerTimeoutMs, log);
    this.diagnostics = new Diagnostics(config, log, () => ({}));
    this.runner = this.createRunner();
  }

  get thing(): string {
    return this.config.thing;
  }

  async start(): Promise<void> {
    const { containment } = this.journal;
    this.log.info({ event: 'agent started', version: AGENT_VERSION, containment });
    await this.application.reapOrphan();
    if (containment === null) await this.application.start();
    this.connection.start();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.diagnostics.stop();
    await Promise.race([this.runner.stop(), sleep(FINISH_JOBS_MS, undefined, { ref: false })]);
    this.reporter.stop();
    this.publisher.stop();
    try {
      await this.application.stop();
    } finally {
      await this.connection.stop();
    }
    this.log.info({ event: 'agent stopped' });
  }

  status(): Record<string, string> {
    return {
      agent: AGENT_VERSION,
      firmware: this.config.firmwareVersion,
      hardware: this.config.hardwareVersion,
      application: this.applicationStatus(),
      health: this.health,
      contained: this.journal.containment?.since ?? 'false',
      containedReason: this.journal.containment?.reason ?? '',
      uptimeSeconds: String(Math.round((Date.now() - this.startedAt) / 1_000)),
      connections: String(this.connection.sessions),
      ...this.diagnostics.status(),
    };
  }

  /** Jobs first and alone: what they ask decides whether anything else may be sent. */
  private async onOpen(): Promise<void> {
    const session = this.connection.sessions;
    const { thing } = this.config;
    const subscribed = await this.connection.subscribe([
      jobTopics.notify(thing),
      ...jobTopics.replies(thing),
    ]);
    if (subscribed.kind !== 'granted') {
      this.log.error({ event: 'jobs not subscribed', outcome: subscribed });
      this.connection.reconnect('no jobs without their topics');
      return;
    }
    const current = (): boolean => this.connection.open && this.connection.sessions === session;
    await this.runner.refreshPatiently(current);
    if (!current()) return;
    this.readySession = session;
    this.beginReports();
  }

  private beginReports(): void {
    const ready = this.connection.open && this.readySession === this.connection.sessions;
    if (!ready || this.stopping || this.journal.containment !== null) return;
    this.reporter.open();
    this.publisher.pump();
  }

  private onClose(): void {
    this.jobs.abandonAll();
    this.reporter.close();
  }

  private onMessage(topic: string, payload: Buffer): void {
    const { thing } = this.config;
    if (topic === jobTopics.notify(thing)) this.runner.hint();
    else if (this.jobs.receive(topic, payload)) return;
    else if (topic === shadowTopics.rejected(thing)) this.log.warn({ event: 'shadow rejected' });
    else this.onCommand(topic, payload);
  }

  private onCommand(topic: string, payload: Buffer): void {
    const command = commandOf(this.config.thing, topic, payload);
    const taken = command !== null && this.journal.containment === null;
    this.log.info({ event: 'command', topic, taken });
    if (taken) this.application.send(command);
  }

  private onApplicationLine(line: string): void {
    if (this.journal.containment !== null) return;
    const parsed = parseLine(line, this.config.thing);
    if (!parsed.ok) {
      this.log.debug({ event: 'application message refused', problem: parsed.problem });
    } else if ('publish' in parsed.message) {
      this.publisher.accept(parsed.message.publish);
    } else if (parsed.message.health !== this.health) {
      this.health = parsed.message.health;
      this.reporter.nudge();
    }
  }

  private createApplication(): Application {
    const { application, stateDir, health } = this.config;
    const events = {
      onLine: (line: string) => this.onApplicationLine(line),
      onState: () => {
        // What an application said of itself ends with it.
        if (this.application.state !== 'running') this.health = health;
        this.reporter.nudge();
      },
    };
    return new Application(application, stateDir, events, this.log);
  }

  private createReporter(outbox: Outbox): Reporter {
    const sources = {
      state: () => this.reportedState(),
      takeCounts: () => ({
        refusedPublishes: this.publisher.takeRefused(),
        applicationRestarts: this.application.takeRestarts(),
      }),
      giveBackCounts: (counts: { refusedPublishes: number; applicationRestarts: number }) => {
        this.publisher.giveBackRefused(counts.refusedPublishes);
        this.application.giveBackRestarts(counts.applicationRestarts);
      },
    };
    return new Reporter(this.config, outbox, sources, this.log);
  }

  private createRunner(): JobRunner {
    const operations = createOperations({
      journal: this.journal,
      application: this.application,
      onContained: () => {
        this.reporter.close();
        this.publisher.clear();
      },
      onResumed: () => this.beginReports(),
      protocolVersion: this.config.protocolVersion,
      publishProbe: (nonce) => this.reporter.publishProbe(nonce),
      status: () => this.status(),
      diagnostics: this.diagnostics,
      updater: null,
      now: () => new Date(),
    });
    return new JobRunner({
      jobs: this.jobs,
      journal: this.journal,
      operations,
      retry: () => new Backoff(this.config.jobs.retry),
      retryLaterMs: this.config.jobs.retryLaterMs,
      log: this.log,
    });
  }

  private applicationStatus(): Telemetry['application'] {
    return this.journal.containment === null ? this.application.state : 'contained';
  }

  private reportedState(): ReportedState {
    return {
      firmware: { version: this.config.firmwareVersion },
      hardware: { version: this.config.hardwareVersion },
      application: { status: this.applicationStatus() },
      health: this.health,
      agent: { version: AGENT_VERSION },
    };
  }
}
