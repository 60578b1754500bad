import { Backoff, type BackoffSettings } from './backoff';
import type { Connection } from './connection';
import type { PublishOutcome, SubscribeOutcome } from './types';

/** `probe` is never held back: to be refused is what it is for. */
export type Channel = 'reports' | 'application' | 'probe';

interface ChannelState {
  quietUntil: number;
  backoff: Backoff;
  /** Topics that the broker took and did not close the connection on since. */
  proven: Set<string>;
}

/** Enough for an application's own topics; one that uses more has the eldest wait as if it were new. */
const MAX_PROVEN = 32;

/**
 * All that is not Jobs goes out through here. An MQTT 3.1.1 broker answers a refused publish by closing the
 * connection, so on that protocol messages go one at a time, and a channel whose message closed the connection
 * falls quiet for a growing while: the next sessions then stay up for Jobs, through which the device can be told
 * that it is contained. An application's proven topics stay free of that, or one topic that it may not use would
 * silence all that it may. Once the connection closes on a proven topic nothing counts as proven any more: after a
 * Deny, proof topic by topic would close one session after the other. MQTT 5 has PUBACK reason codes and needs
 * none of this.
 */
export class Outbox {
  private tail: Promise<unknown> = Promise.resolve();
  private readonly channels: Record<Channel, ChannelState>;

  constructor(
    private readonly connection: Pick<Connection, 'open' | 'publish' | 'subscribe'>,
    private readonly closesOnRefusal: boolean,
    quiet: BackoffSettings,
    /** Milliseconds that never run backwards: a clock that is set back must not keep a device silent. */
    private readonly now: () => number = () => performance.now(),
  ) {
    // A quiet time without jitter's short end: half of the ceiling at least.
    const state = (): ChannelState => ({
      quietUntil: 0,
      backoff: new Backoff(quiet, () => 0.5 + Math.random() / 2),
      proven: new Set(),
    });
    this.channels = { reports: state(), application: state(), probe: state() };
  }

  /** Whether a message on this channel would be sent now, to a new topic where none is named. */
  ready(channel: Channel, topic?: string): boolean {
    if (!this.connection.open) return false;
    if (channel === 'probe') return true;
    const { quietUntil, proven } = this.channels[channel];
    return this.now() >= quietUntil || (topic !== undefined && proven.has(topic));
  }

  /** QoS 1; `held` where it was not sent. */
  publish(channel: Channel, topic: string, payload: string): Promise<PublishOutcome> {
    const provable = channel === 'application' ? topic : undefined;
    return this.send(channel, provable, () => this.connection.publish(topic, payload));
  }

  subscribe(channel: Channel, filters: string[]): Promise<SubscribeOutcome> {
    return this.send(channel, undefined, () => this.connection.subscribe(filters));
  }

  private send<T extends PublishOutcome | SubscribeOutcome>(
    channel: Channel,
    topic: string | undefined,
    request: () => Promise<T>,
  ): Promise<T | { kind: 'held' }> {
    const attempt = async (): Promise<T | { kind: 'held' }> => {
      if (!this.ready(channel, topic)) return { kind: 'held' };
      const outcome = await request();
      if (this.closesOnRefusal) this.learn(this.channels[channel], topic, outcome);
      return outcome;
    };
    if (!this.closesOnRefusal) return attempt();
    const next = this.tail.then(attempt);
    this.tail = next;
    return next;
  }

  private learn(
    state: ChannelState,
    topic: string | undefined,
    outcome: PublishOutcome | SubscribeOutcome,
  ): void {
    const proven = topic !== undefined && state.proven.has(topic);
    if (outcome.kind === 'accepted' || outcome.kind === 'granted') {
      // What is sent on a proven topic says nothing of the others, until they have been quiet as long again.
      const calm = this.now() >= state.quietUntil + state.backoff.ceiling();
      if (!proven || calm) state.backoff.reset();
      if (topic !== undefined) remember(state.proven, topic);
    }
    if (outcome.kind === 'disconnected') {
      if (proven) state.proven.clear();
      state.quietUntil = this.now() + state.backoff.next();
    }
  }
}

function remember(topics: Set<string>, topic: string): void {
  topics.delete(topic);
  topics.add(topic);
  const [eldest] = topics;
  if (topics.size > MAX_PROVEN && eldest !== undefined) topics.delete(eldest);
}
