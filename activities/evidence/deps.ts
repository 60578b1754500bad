import type { CollectLogsRunbook } from '../../domain/evidence/collect-logs';
import type { ChainHead } from '../../domain/evidence/types';
import type { Place } from '../../domain/policy/types';
import type { IotJobs } from '../aws/iot-jobs';
import type { IotRegistry } from '../aws/iot-registry';

export interface Digest {
  bytes: number;
  /** Hex. */
  sha256: string;
}

/** Larger than its reader takes; nothing of it is kept in memory. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError';
  constructor(
    readonly key: string,
    readonly limit: number,
  ) {
    super(`${key} is larger than ${limit} bytes`);
  }
}

/** The locked bucket. Nothing here can be written over or deleted. */
export interface EvidenceStore {
  /** False where the key is taken, by an earlier attempt of ours too: the caller reads what is there. */
  create(key: string, bytes: Uint8Array, legalHold: boolean): Promise<boolean>;
  /** Null where there is nothing. Throws TooLargeError. */
  read(key: string, maxBytes: number): Promise<Uint8Array | null>;
  /** As it streams by; null where there is nothing. Throws TooLargeError. */
  digest(key: string, maxBytes: number): Promise<Digest | null>;
  /** In the order of the keys' bytes. */
  list(prefix: string): AsyncIterable<{ key: string; bytes: number }>;
  /** Chunk by chunk; null where there is nothing. */
  open(key: string): Promise<AsyncIterable<Uint8Array> | null>;
}

/** What devices have uploaded; they may write there, and nothing that is there is trusted. */
export interface EvidenceIntake {
  stat(key: string): Promise<{ bytes: number; etag: string } | null>;
  /** Of just that object: fails where it is another one by now. Throws TooLargeError. */
  digest(key: string, etag: string, maxBytes: number): Promise<Digest>;
  /** Within S3, of just that object; done already is success. */
  keep(from: { key: string; etag: string }, to: string, legalHold: boolean): Promise<void>;
  /** `https://` URL of an object for the placeholder of Jobs. */
  urlOf(key: string): string;
}

/** The last entry of each chain, kept apart from it. */
export interface ChainHeads {
  get(incident: string): Promise<{ head: ChainHead; etag: string } | null>;
  /** False where it is not what `etag` says any more; null: where there was none. */
  put(incident: string, head: ChainHead, etag: string | null): Promise<boolean>;
}

export interface Window {
  /** Epoch milliseconds. */
  from: number;
  to: number;
}

export interface SourceRequest {
  thing: string;
  window: Window;
  signal: AbortSignal;
}

export interface Reading {
  data: unknown;
  /** What was left out and why. */
  partial: string[];
}

/** One kind of evidence that the cloud has of a device. Reads only, and no more than its own bounds. */
export interface CloudSource {
  /** Such as `shadow`. */
  what: string;
  read(request: SourceRequest): Promise<Reading>;
}

export interface EvidenceDeps {
  store: EvidenceStore;
  intake: EvidenceIntake;
  heads: ChainHeads;
  sources: readonly CloudSource[];
  jobs: IotJobs;
  registry: IotRegistry;
  place: Place;
  loadRunbook(): Promise<CollectLogsRunbook> | CollectLogsRunbook;
  now: () => number;
}
