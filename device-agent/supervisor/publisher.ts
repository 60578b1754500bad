import type { Logger } from 'pino';
import type { Outbox } from '../connection/outbox';
import type { ApplicationPublish } from './protocol';

export interface PublisherSettings {
  maxPerSecond: number;
  /** Messages kept while they wait for their turn or for a connection; the newest beyond it are dropped. */
  maxQueued: number;
  /** MQTT 3.1.1 takes one at a time. */
  maxInFlight: number;
}

interface Queued extends ApplicationPublish {
  /** Times the connection closed under this message. */
  closed: number;
}

/** On MQTT 3.1.1: the broker closed the connection under the same message twice, so the message is the cause. */
const CLOSED_IS_REFUSED = 2;
const MAX_REFUSED_TOPICS = 100;

/**
 * Publishes for the application over the agent's own connection, at QoS 1: what was not acknowledged is sent
 * again after a reconnect. Counts what the broker refuses.
 *
 * On MQTT 3.1.1, where each refusal costs the connection, the refusal of one message stands for all that wait for
 * the same topic and for those that follow while the outbox holds that topic back: they count as refused, as they
 * would one by one over MQTT 5, and are not in the way of topics that are allowed.
 */
export class Publisher {
  private queue: Queued[] = [];
  private inFlight = 0;
  private tokens: number;
  private refused = 0;
  private dropped = 0;
  private readonly refusedTopics = new Set<string>();
  private readonly refill: NodeJS.Timeout;
  private generation = 0;

  constructor(
    private readonly settings: PublisherSettings,
    private readonly outbox: Pick<Outbox, 'publish' | 'ready'>,
    private readonly onRefused: () => void,
    private readonly log: Logger,
  ) {
    this.tokens = settings.maxPerSecond;
    this.refill = setInterval(() => {
      this.tokens = settings.maxPerSecond;
      this.reportDrops();
      this.pump();
    }, 1_000);
    this.refill.unref();
  }

  accept(message: ApplicationPublish): void {
    const { topic } = message;
    if (this.refusedTopics.has(topic) && !this.outbox.ready('application', topic)) {
      this.countRefused(1);
      return;
    }
    if (this.queue.length >= this.settings.maxQueued) {
      this.dropped += 1;
      if (!this.makeRoom(topic)) return;
    }
    this.queue.push({ ...message, closed: 0 });
    this.pump();
  }

  /** Sends what waits; called when the connection opens, too. */
  pump(): void {
    while (this.tokens > 0 && this.inFlight < this.settings.maxInFlight) {
      const index = this.queue.findIndex(({ topic }) => this.outbox.ready('application', topic));
      const [next] = index < 0 ? [] : this.queue.splice(index, 1);
      if (next === undefined) return;
      this.tokens -= 1;
      this.inFlight += 1;
      void this.send(next, this.generation).finally(() => {
        this.inFlight -= 1;
        this.pump();
      });
    }
  }

  /** Refusals since the last call. */
  takeRefused(): number {
    const taken = this.refused;
    this.refused = 0;
    return taken;
  }

  giveBackRefused(count: number): void {
    this.refused += count;
  }

  /** Forgets what waits: a contained application has nothing more to say, not even what it said before. */
  clear(): void {
    this.queue = [];
    this.refusedTopics.clear();
    this.generation += 1;
  }

  stop(): void {
    this.clear();
    clearInterval(this.refill);
  }

  private async send(message: Queued, generation: number): Promise<void> {
    const { topic, payload } = message;
    const outcome = await this.outbox.publish('application', topic, JSON.stringify(payload));
    switch (outcome.kind) {
      case 'accepted':
        this.refusedTopics.delete(topic);
        return;
      case 'refused':
        this.countRefused(1);
        return;
      case 'disconnected':
        if (!outcome.byBroker) break;
        message.closed += 1;
        if (!this.isRefused(message)) break;
        this.refuse(message);
        return;
      case 'unanswered':
      case 'held':
        break;
    }
    // Not across a containment: the queue was cleared while this message was on its way.
    if (generation === this.generation) this.queue.unshift(message);
  }

  /** The newest message that can't go now gives way to one that can. */
  private makeRoom(topic: string): boolean {
    if (!this.outbox.ready('application', topic)) return false;
    const index = this.queue.findLastIndex(
      (waiting) => !this.outbox.ready('application', waiting.topic),
    );
    if (index >= 0) this.queue.splice(index, 1);
    return index >= 0;
  }

  private isRefused({ topic, closed }: Queued): boolean {
    if (this.settings.maxInFlight > 1) return false;
    return closed >= CLOSED_IS_REFUSED || this.refusedTopics.has(topic);
  }

  private refuse({ topic, closed }: Queued): void {
    const others = this.queue.filter((waiting) => waiting.topic !== topic);
    const together = this.queue.length - others.length;
    this.queue = others;
    if (this.refusedTopics.size < MAX_REFUSED_TOPICS) this.refusedTopics.add(topic);
    this.countRefused(closed + together);
  }

  private countRefused(times: number): void {
    this.refused += times;
    this.onRefused();
  }

  private reportDrops(): void {
    if (this.dropped === 0) return;
    this.log.warn({ event: 'application messages dropped', count: this.dropped });
    this.dropped = 0;
  }
}
