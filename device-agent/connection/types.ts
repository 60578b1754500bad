/** What the broker said to one QoS 1 publish. */
export type PublishOutcome =
  | { kind: 'accepted' }
  /** MQTT 5 only: PUBACK with a reason code of 128 or more; 135 is "not authorized". The connection stays. */
  | { kind: 'refused'; reasonCode: number }
  /** The connection ended before an answer. `byBroker`: closed in good order, MQTT 3.1.1's only way to refuse. */
  | { kind: 'disconnected'; byBroker: boolean }
  /** Still connected and no answer within the time allowed. */
  | { kind: 'unanswered' }
  /** Never sent: not connected, or held back (see outbox.ts). */
  | { kind: 'held' };

export type SubscribeOutcome =
  | { kind: 'granted' }
  | { kind: 'refused'; reasonCode: number }
  | { kind: 'disconnected'; byBroker: boolean }
  | { kind: 'unanswered' }
  | { kind: 'held' };

export type MessageHandler = (topic: string, payload: Buffer) => void;

/** Where the agent connects and as whom. */
export interface Endpoint {
  thing: string;
  host: string;
  port: number;
  caFile: string;
  certFile: string;
  keyFile: string;
  protocolVersion: 4 | 5;
  keepaliveSeconds: number;
  connectTimeoutMs: number;
  answerTimeoutMs: number;
}
