import { Session } from '../../../../device-agent/connection/session';
import type {
  MessageHandler,
  PublishOutcome,
  SubscribeOutcome,
} from '../../../../device-agent/connection/types';
import type { FromTarget } from '../protocol';

/** In place of a session with a broker: messages go to the process that plays the cloud. */
class CloudSession {
  open = true;
  readonly closed: Promise<{ reason: string }>;
  private tellClosed: (reason: { reason: string }) => void = () => undefined;

  constructor(private readonly send: (message: FromTarget) => void) {
    this.closed = new Promise((resolve) => (this.tellClosed = resolve));
  }

  publish(topic: string, payload: string): Promise<PublishOutcome> {
    if (!this.open) return Promise.resolve({ kind: 'held' });
    this.send({ kind: 'publish', topic, payload });
    return Promise.resolve({ kind: 'accepted' });
  }

  subscribe(): Promise<SubscribeOutcome> {
    return Promise.resolve({ kind: 'granted' });
  }

  abandon(): void {
    this.open = false;
    this.tellClosed({ reason: 'dropped' });
  }

  end(): Promise<void> {
    this.abandon();
    return Promise.resolve();
  }
}

/** The one session of the agent. */
export class CloudLink {
  private session: CloudSession | null = null;
  private receive: MessageHandler = () => undefined;

  /** From now on every connection of an agent in this process comes here. */
  constructor(send: (message: FromTarget) => void) {
    Session.open = (_endpoint, onMessage) => {
      this.receive = onMessage;
      this.session = new CloudSession(send);
      return Promise.resolve(this.session as unknown as Session);
    };
  }

  deliver(topic: string, payload: string): void {
    if (this.session?.open === true) this.receive(topic, Buffer.from(payload));
  }

  drop(): void {
    this.session?.abandon();
  }
}
