import type { Logger } from 'pino';
import { messageOf } from '../errors';
import { Backoff, type BackoffSettings } from './backoff';
import { Session } from './session';
import type { Endpoint, MessageHandler, PublishOutcome, SubscribeOutcome } from './types';

export interface ConnectionSettings {
  endpoint: Endpoint;
  reconnect: BackoffSettings & { stableAfterMs: number };
}

export interface ConnectionEvents {
  onOpen: () => void;
  onClose: () => void;
  onMessage: MessageHandler;
}

/**
 * Keeps one session open for as long as the agent runs. The back-off starts over only after a connection
 * has lasted `stableAfterMs`, so a device that is let in and thrown out again slows down.
 */
export class Connection {
  private session: Session | null = null;
  private stopping = false;
  private wake: () => void = () => undefined;
  private running: Promise<void> | null = null;
  private readonly backoff: Backoff;
  /** Sessions opened so far; tells one session from the next. */
  sessions = 0;

  constructor(
    private readonly settings: ConnectionSettings,
    private readonly events: ConnectionEvents,
    private readonly log: Logger,
  ) {
    this.backoff = new Backoff(settings.reconnect);
  }

  get open(): boolean {
    return this.session?.open === true;
  }

  start(): void {
    this.running ??= this.keepOpen();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.session?.end();
    await this.running;
  }

  publish(topic: string, payload: string): Promise<PublishOutcome> {
    return this.session?.publish(topic, payload) ?? Promise.resolve({ kind: 'held' });
  }

  subscribe(filters: string[]): Promise<SubscribeOutcome> {
    return this.session?.subscribe(filters) ?? Promise.resolve({ kind: 'held' });
  }

  /** Gives up the present session, where the broker has stopped answering; the loop opens another. */
  reconnect(reason: string): void {
    this.log.warn({ event: 'reconnecting', reason });
    this.session?.abandon();
  }

  private async keepOpen(): Promise<void> {
    do {
      await this.openOnce();
      await this.pause(this.backoff.next());
    } while (!this.stopping);
  }

  /** One connection from CONNECT to close. A failure is logged and left to the back-off. */
  private async openOnce(): Promise<void> {
    const { endpoint, reconnect } = this.settings;
    try {
      this.session = await Session.open(endpoint, this.events.onMessage);
    } catch (error) {
      this.log.warn({ event: 'connect failed', reason: messageOf(error) });
      return;
    }
    this.sessions += 1;
    this.log.info({ event: 'connected', session: this.sessions });
    const stable = setTimeout(() => this.backoff.reset(), reconnect.stableAfterMs);
    if (this.stopping) void this.session.end();
    else this.events.onOpen();
    const { reason } = await this.session.closed;
    clearTimeout(stable);
    this.session = null;
    this.log.info({ event: 'disconnected', reason });
    this.events.onClose();
  }

  private pause(ms: number): Promise<void> {
    if (this.stopping) return Promise.resolve();
    this.log.debug({ event: 'waiting to connect', ms });
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
