import type { IncomingHttpHeaders } from 'node:http';

import type { z } from 'zod';

import type { Delivery, DeliveryCode } from './delivery';

/** One kind of sender: a small adapter from verified bytes to alarms, and its route `POST /alarms/<name>`. */
export interface Sender {
  name: 'sns' | 'eventbridge' | 'alertmanager' | 'webhook';
  /** Media types that it sends; others are refused. */
  contentTypes: readonly string[];
  description: SenderDescription;
  /** Looks at the headers alone, before the body is read; null where they may pass. */
  refuse?(headers: IncomingHttpHeaders): DeliveryCode | null;
  /** Takes one body through verification to its effect. Never throws. */
  receive(raw: Uint8Array, headers: IncomingHttpHeaders): Promise<Delivery>;
}

/** What the OpenAPI document says of a sender's route. */
export interface SenderDescription {
  summary: string;
  text: string;
  body: z.ZodType;
  /** OpenAPI security scheme by name. */
  security: Record<string, object>;
  /** Headers beside the credential. */
  headers?: readonly { name: string; description: string; schema: z.ZodType }[];
  examples: Record<string, Example>;
  /** Each way in which a delivery can end; those of any request are added. */
  codes: readonly DeliveryCode[];
}

/** Signatures and times in an example are placeholders: a test puts true ones in and sends it. */
export interface Example {
  summary: string;
  value: unknown;
  /** How it ends, where the routes of docs/senders.md are set and the source bears it out. */
  code: DeliveryCode;
}
