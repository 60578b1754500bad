import { Backoff, type BackoffSettings } from './backoff';
import type { Connection } from './connection';
import type { PublishOutcome, SubscribeOutcome } from './types';

/** `probe` is never held back: to be refused is what it is for. */
export type Channel = 'reports' | 'application' | 'probe';

interface ChannelState {
  quietUntil: number;
  backoff: Backoff;
}

/**
 * All that is not Jobs goes out through here. An MQTT 3.1.1 broker answers a refused publish by closing the
 * connection, so on that protocol messages go one at a time, and a channel whose message closed the connection
 * falls quiet for a growing while: the next sessions then stay up for Jobs, through which the device can be told
 * that it is contained. MQTT 5 has PUBACK reason codes and needs none of this.
 */
export class Outbox {
  private tail: Promise<unknown> = Promise.resolve();
  private readonly channels: Record<Channel, ChannelState>;

  constructor(
    private readonly connection: Pick<Connection, 'open' | 'publish' | 'subscribe'>,
    private readonly closesOnRefusal: boolean,
    quiet: BackoffSettings,
    private readonly now: () => number = Date.now,
  ) {
    // A quiet time without jitter's short end: half of the ceiling at least.
    const state = (): ChannelState => ({
      quietUntil: 0,
      backoff: new Backoff(quiet, () => 0.5 + Math.random() / 2),
    });
    this.channels = { reports: state(), application: state(), probe: state() };
  }

  /** Whether a message on this channel would be sent now. */
  ready(channel: Channel): boolean {
    if (!this.connection.open) return false;
    return channel === 'probe' || this.now() >= this.channels[channel].quietUntil;
  }

  /** QoS 1; `held` where it was not sent. */
  publish(channel: Channel, topic: string, payload: string): Promise<PublishOutcome> {
    return this.send(channel, () => this.connection.publish(topic, payload));
  }

  subscribe(channel: Channel, filters: string[]): Promise<SubscribeOutcome> {
    return this.send(channel, () => this.connection.subscribe(filters));
  }

  private send<T extends PublishOutcome | SubscribeOutcome>(
    channel: Channel,
    request: () => Promise<T>,
  ): Promise<T | { kind: 'held' }> {
    const attempt = async (): Promise<T | { kind: 'held' }> => {
      if (!this.ready(channel)) return { kind: 'held' };
      const outcome = await request();
      if (this.closesOnRefusal) this.learn(this.channels[channel], outcome);
      return outcome;
    };
    if (!this.closesOnRefusal) return attempt();
    const next = this.tail.then(attempt);
    this.tail = next;
    return next;
  }

  private learn(state: ChannelState, outcome: PublishOutcome | SubscribeOutcome): void {
    if (outcome.kind === 'accepted' || outcome.kind === 'granted') state.backoff.reset();
    if (outcome.kind === 'disconnected') state.quietUntil = this.now() + state.backoff.next();
  }
}
