import { readFileSync } from 'node:fs';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Endpoint, MessageHandler, PublishOutcome, SubscribeOutcome } from './types';

export interface SessionEnd {
  /** The broker closed in good order; false where the network broke or the agent ended it. */
  byBroker: boolean;
  /** For the log. */
  reason: string;
}

/** AWS IoT serves MQTT on 443 only to clients that ask for it by ALPN. */
const ALPN_PORT = 443;
const ALPN_NAME = 'x-amzn-mqtt-ca';
const END_TIMEOUT_MS = 2_000;
/** MQTT 5: another client has connected with the same id. On MQTT 3.1.1 the connection only closes. */
const SESSION_TAKEN_OVER = 142;

/**
 * No last will: AWS refuses a CONNECT whose will topic the client may not publish to, so a contained agent
 * with a will would be locked out of Jobs too. Credentials are read anew for each connection, so a rotated
 * certificate is taken up by the next one.
 */
function clientOptions(endpoint: Endpoint): IClientOptions {
  return {
    protocol: 'mqtts',
    host: endpoint.host,
    port: endpoint.port,
    servername: endpoint.host,
    ca: readFileSync(endpoint.caFile),
    cert: readFileSync(endpoint.certFile),
    key: readFileSync(endpoint.keyFile),
    rejectUnauthorized: true,
    ...(endpoint.port === ALPN_PORT && { ALPNProtocols: [ALPN_NAME] }),
    clientId: endpoint.thing,
    protocolVersion: endpoint.protocolVersion,
    clean: true,
    keepalive: endpoint.keepaliveSeconds,
    connectTimeout: endpoint.connectTimeoutMs,
    // One client is one connection: a client that reconnects by itself would send a refused message again and again.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Else the first packet makes a table of 65,536 buffers, 7 MiB, to write numbers faster.
    writeCache: false,
  };
}

/** One MQTT connection, from CONNACK until it closes. It never reconnects. */
export class Session {
  /** Resolves once, when the connection is gone. */
  readonly closed: Promise<SessionEnd>;
  private isOpen = true;
  private isEnding = false;
  private lastError: Error | null = null;
  private disconnectCode: number | null = null;
  /** Told of the end of the connection: the requests that wait for an answer. */
  private readonly unanswered = new Set<(end: SessionEnd) => void>();

  private constructor(
    private readonly client: MqttClient,
    private readonly answerTimeoutMs: number,
  ) {
    this.closed = new Promise((resolve) => {
      client.on('error', (error) => (this.lastError = error));
      client.on('disconnect', (packet) => (this.disconnectCode = packet.reasonCode ?? null));
      client.once('close', () => {
        this.isOpen = false;
        client.end(true);
        const end = this.describeEnd();
        resolve(end);
        for (const tell of this.unanswered) tell(end);
      });
    });
  }

  /** Resolves with an open session; rejects where TLS, CONNECT or the network fails. */
  static async open(endpoint: Endpoint, onMessage: MessageHandler): Promise<Session> {
    const client = connect(clientOptions(endpoint));
    const session = new Session(client, endpoint.answerTimeoutMs);
    client.on('message', onMessage);
    const connected = new Promise<void>((resolve) => client.once('connect', () => resolve()));
    const end = await Promise.race([connected, session.closed]);
    if (end !== undefined) throw new Error(end.reason);
    return session;
  }

  get open(): boolean {
    return this.isOpen;
  }

  /** QoS 1. Never rejects: every way it can go is an outcome. */
  publish(topic: string, payload: string): Promise<PublishOutcome> {
    if (!this.isOpen) return Promise.resolve({ kind: 'held' });
    return this.firstOf<PublishOutcome>((answer) => {
      this.client.publish(topic, payload, { qos: 1 }, (error) => {
        const outcome = outcomeOf(error);
        // Otherwise the client ended with the message in flight, and `closed` knows more.
        if (outcome !== null) answer(outcome);
      });
    });
  }

  /** At most 8 filters, AWS's limit for one SUBSCRIBE. Refused where one filter is. */
  subscribe(filters: string[]): Promise<SubscribeOutcome> {
    if (!this.isOpen) return Promise.resolve({ kind: 'held' });
    return this.firstOf<SubscribeOutcome>((answer) => {
      this.client.subscribe(filters, { qos: 1 }, (error) => {
        const outcome = outcomeOf(error);
        if (outcome === null) return;
        answer(outcome.kind === 'accepted' ? { kind: 'granted' } : outcome);
      });
    });
  }

  /** Sends DISCONNECT and waits for the socket to close, at most two seconds. */
  async end(): Promise<void> {
    this.isEnding = true;
    if (this.isOpen) this.client.end(false);
    const timer = setTimeout(() => this.client.stream.destroy(), END_TIMEOUT_MS);
    await this.closed;
    clearTimeout(timer);
  }

  /** Drops the socket without a word, where the broker has stopped answering. */
  abandon(): void {
    if (this.isOpen) this.client.stream.destroy();
  }

  /** Nothing of a request is kept once it has its outcome: a session may last for months. */
  private firstOf<T>(
    ask: (answer: (outcome: T) => void) => void,
  ): Promise<T | { kind: 'disconnected'; byBroker: boolean } | { kind: 'unanswered' }> {
    return new Promise((resolve) => {
      const settle = (outcome: Parameters<typeof resolve>[0]): void => {
        clearTimeout(timer);
        this.unanswered.delete(gone);
        resolve(outcome);
      };
      const gone = ({ byBroker }: SessionEnd): void => settle({ kind: 'disconnected', byBroker });
      const timer = setTimeout(() => settle({ kind: 'unanswered' }), this.answerTimeoutMs);
      this.unanswered.add(gone);
      ask(settle);
    });
  }

  private describeEnd(): SessionEnd {
    if (this.isEnding) return { byBroker: false, reason: 'ended by the agent' };
    if (this.lastError !== null) return { byBroker: false, reason: this.lastError.message };
    if (this.disconnectCode === SESSION_TAKEN_OVER) {
      return { byBroker: true, reason: 'taken over by another client with this id' };
    }
    const code = this.disconnectCode === null ? '' : `, reason code ${this.disconnectCode}`;
    return { byBroker: true, reason: `closed by the broker${code}` };
  }
}

function outcomeOf(
  error: Error | null | undefined,
): { kind: 'accepted' } | { kind: 'refused'; reasonCode: number } | null {
  if (error === null || error === undefined) return { kind: 'accepted' };
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'number' && code >= 128 ? { kind: 'refused', reasonCode: code } : null;
}
