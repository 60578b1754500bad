import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
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
import { Condition } from './reporter/condition';
import { Reporter } from './reporter/reporter';
import { Software } from './software';
import { Journal } from './state/journal';
import { Publisher } from './supervisor/publisher';
import { AGENT_VERSION } from './version';
import { watchJobs, type Watchdog } from './watchdog';

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

/** What an agent can't do to itself. */
export interface AgentEvents {
  /** It is wedged past healing, and is to be stopped and created anew. Called once. */
  onWedged?: (reason: string) => void;
}

/** One device. Holds no module state: any number run in one process. */
export function createAgent(config: AgentConfig, log: Logger, events: AgentEvents = {}): Agent {
  return new DeviceAgent(config, log.child({ thing: config.thing }), events);
}

class DeviceAgent implements Agent {
  private readonly startedAt = performance.now();
  private readonly condition: Condition;
  private readonly log: Logger;
  private readonly journal: Journal;
  private readonly connection: Connection;
  private readonly jobs: JobsClient;
  private readonly runner: JobRunner;
  private readonly watchdog: Watchdog;
  private readonly software: Software;
  private readonly publisher: Publisher;
  private readonly reporter: Reporter;
  private readonly diagnostics: Diagnostics;
  /** The session whose pending jobs were read, so that reports may begin. */
  private readySession = 0;
  private stopping = false;

  constructor(
    private readonly config: AgentConfig,
    ownLog: Logger,
    events: AgentEvents,
  ) {
    const { thing, stateDir } = config;
    this.condition = new Condition(config, () => this.reporter.nudge());
    const log = (this.log = this.condition.listeningTo(ownLog));
    this.journal = new Journal(stateDir, () => new Date(), this.condition.disk.write);
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
    this.software = new Software(config, {
      journal: this.journal,
      onPublish: (message) => this.publisher.accept(message),
      onChange: () => this.reporter.nudge(),
      onRestart: () => this.condition.lifetime.countRestart(),
      reachesCloud: () => this.jobs.answers(),
      write: this.condition.disk.write,
      log,
    });
    this.publisher = new Publisher(
      { ...config.publishing, maxInFlight: closesOnRefusal ? 1 : config.publishing.maxInFlight },
      outbox,
      () => this.reporter.nudge(),
      log,
    );
    this.reporter = this.createReporter(outbox);
    this.jobs = new JobsClient(thing, this.connection, config.answerTimeoutMs, log);
    this.diagnostics = new Diagnostics(config, log, () => this.software.slots());
    this.runner = this.createRunner();
    const giveUp = (reason: string): void => events.onWedged?.(reason);
    this.watchdog = watchJobs(config, this.connection, this.runner, giveUp, log);
  }

  get thing(): string {
    return this.config.thing;
  }

  async start(): Promise<void> {
    const { containment } = this.journal;
    this.log.info({ event: 'agent started', version: AGENT_VERSION, containment });
    this.condition.lifetime.begin();
    await this.software.begin();
    this.connection.start();
    this.watchdog.start();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.watchdog.stop();
    await this.software.updater?.stop();
    await this.diagnostics.stop();
    await Promise.race([this.runner.stop(), sleep(FINISH_JOBS_MS, undefined, { ref: false })]);
    this.reporter.stop();
    this.publisher.stop();
    try {
      await this.software.stop();
    } finally {
      await this.connection.stop();
      this.condition.lifetime.end();
    }
    this.log.info({ event: 'agent stopped' });
  }

  status(): Record<string, string> {
    return {
      agent: AGENT_VERSION,
      firmware: this.software.version,
      hardware: this.config.hardwareVersion,
      application: this.software.status,
      health: this.software.health,
      contained: this.journal.containment?.since ?? 'false',
      containedReason: this.journal.containment?.reason ?? '',
      uptimeSeconds: String(Math.round((performance.now() - this.startedAt) / 1_000)),
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
    if (taken) this.software.application.send(command);
  }

  private createReporter(outbox: Outbox): Reporter {
    const { application } = this.software;
    const sources = {
      state: () => this.condition.reported(this.software),
      takeCounts: () => ({
        refusedPublishes: this.publisher.takeRefused(),
        applicationRestarts: application.takeRestarts(),
      }),
      giveBackCounts: (counts: { refusedPublishes: number; applicationRestarts: number }) => {
        this.publisher.giveBackRefused(counts.refusedPublishes);
        application.giveBackRestarts(counts.applicationRestarts);
      },
    };
    return new Reporter(this.config, outbox, sources, this.log);
  }

  private createRunner(): JobRunner {
    const operations = createOperations({
      journal: this.journal,
      application: this.software,
      onContained: () => {
        this.software.onContained();
        this.reporter.close();
        this.publisher.clear();
      },
      onResumed: () => this.beginReports(),
      protocolVersion: this.config.protocolVersion,
      publishProbe: (nonce) => this.reporter.publishProbe(nonce),
      status: () => this.status(),
      diagnostics: this.diagnostics,
      updater: this.software.updater,
      now: () => new Date(),
    });
    return new JobRunner({
      jobs: this.jobs,
      journal: this.journal,
      operations,
      retry: () => new Backoff(this.config.jobs.retry),
      retryLaterMs: this.config.jobs.retryLaterMs,
      onPending: (keys) => this.software.updater?.onPending(keys),
      log: this.log,
    });
  }
}
