import type { Logger } from 'pino';
import type { ReportedState, Telemetry } from '../../domain/device-protocol/telemetry';
import { commandFilter, shadowTopics, telemetryTopic } from '../../domain/device-protocol/topics';
import type { Outbox } from '../connection/outbox';
import type { PublishOutcome } from '../connection/types';
import { ShadowSchedule } from './shadow-schedule';

export interface ReporterSettings {
  thing: string;
  telemetryIntervalMs: number;
  /** Between two messages sent out of turn, and between two shadow updates. */
  minGapMs: number;
}

/** What is reported, read anew for each message. */
export interface ReportSources {
  state: () => ReportedState;
  /** Taken with the message and given back where the message did not get through. */
  takeCounts: () => Counts;
  giveBackCounts: (counts: Counts) => void;
}
export type Counts = Pick<Telemetry, 'refusedPublishes' | 'applicationRestarts'>;

/** The schema's bound on a count. */
const MAX_COUNT = 1_000_000;

/**
 * The device's shadow and telemetry. Closed until the agent has read its jobs on a new connection, and while it
 * is contained: it then sends nothing but the answer to a probe.
 */
export class Reporter {
  private isOpen = false;
  private subscribed = false;
  private sequence = 0;
  private readonly shadow = new ShadowSchedule();
  private sendingShadow = false;
  private lastTelemetryAt = 0;
  private soon: NodeJS.Timeout | null = null;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly settings: ReporterSettings,
    private readonly outbox: Pick<Outbox, 'publish' | 'subscribe' | 'ready'>,
    private readonly sources: ReportSources,
    private readonly log: Logger,
  ) {
    this.timer = setInterval(() => void this.tick(), settings.telemetryIntervalMs);
  }

  /** A connection is up, its jobs are read and the device is not contained. */
  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.subscribed = false;
    this.shadow.reset();
    void this.tick();
  }

  close(): void {
    this.isOpen = false;
    if (this.soon !== null) clearTimeout(this.soon);
    this.soon = null;
  }

  stop(): void {
    this.close();
    clearInterval(this.timer);
  }

  /** State changed or refusals were seen: a message out of turn, at most one each `minGapMs`. */
  nudge(): void {
    if (!this.isOpen || this.soon !== null) return;
    const waitMs = this.lastTelemetryAt + this.settings.minGapMs - performance.now();
    this.soon = setTimeout(
      () => {
        this.soon = null;
        void this.tick();
      },
      Math.max(0, waitMs),
    );
  }

  /** Works while closed, too. Counts stay with the ordinary messages, or they would be counted twice. */
  publishProbe(nonce: string): Promise<PublishOutcome> {
    const counts = { refusedPublishes: 0, applicationRestarts: 0 };
    const message = JSON.stringify({ ...this.message(counts), probe: nonce });
    return this.outbox.publish('probe', telemetryTopic(this.settings.thing), message);
  }

  private async tick(): Promise<void> {
    if (!this.isOpen || !this.outbox.ready('reports')) return;
    this.lastTelemetryAt = performance.now();
    await this.subscribe();
    await this.updateShadow();
    await this.publishTelemetry();
  }

  private async subscribe(): Promise<void> {
    if (this.subscribed || !this.isOpen) return;
    this.subscribed = true;
    const { thing } = this.settings;
    const filters = [commandFilter(thing), shadowTopics.rejected(thing)];
    const outcome = await this.outbox.subscribe('reports', filters);
    if (outcome.kind === 'granted') return;
    this.subscribed = false;
    this.log.warn({ event: 'commands not subscribed', outcome });
  }

  private async updateShadow(): Promise<void> {
    if (this.sendingShadow || !this.isOpen) return;
    const reported = this.sources.state();
    if (!this.shadow.isDue(reported)) return;
    this.sendingShadow = true;
    const topic = shadowTopics.update(this.settings.thing);
    const outcome = await this.outbox.publish(
      'reports',
      topic,
      JSON.stringify({ state: { reported } }),
    );
    this.sendingShadow = false;
    if (outcome.kind !== 'accepted') {
      this.log.warn({ event: 'shadow not updated', outcome });
      return;
    }
    this.shadow.onSent(reported);
    // What changed while the answer was on its way had to wait for it.
    if (this.shadow.isDue(this.sources.state())) this.nudge();
  }

  private async publishTelemetry(): Promise<void> {
    if (!this.isOpen) return;
    const counts = this.sources.takeCounts();
    const message = JSON.stringify(this.message(counts));
    const topic = telemetryTopic(this.settings.thing);
    const outcome = await this.outbox.publish('reports', topic, message);
    if (outcome.kind === 'accepted') return;
    this.sources.giveBackCounts(counts);
    this.log.warn({ event: 'telemetry not published', outcome });
  }

  private message(counts: Counts): Telemetry {
    const { firmware, hardware, application, health } = this.sources.state();
    this.sequence += 1;
    return {
      at: new Date().toISOString(),
      sequence: this.sequence - 1,
      firmwareVersion: firmware.version,
      hardwareVersion: hardware.version,
      application: application.status,
      health,
      refusedPublishes: Math.min(counts.refusedPublishes, MAX_COUNT),
      applicationRestarts: Math.min(counts.applicationRestarts, MAX_COUNT),
    };
  }
}
