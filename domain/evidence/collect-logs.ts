import type { DurationSetting } from '../runbook';
import type { ChainHead } from './types';

/** What a responder types into Temporal UI. Everything but `thing` and `reason` is optional. */
export interface CollectLogsInput {
  thing: string;
  reason: string;
  /** A claim, for the record: Temporal UI does not tell who starts a workflow. */
  requestedBy?: string;
  /** Such as `device/pump-1`, which is the default. All evidence of an incident is in one chain. */
  incident?: string;
  /** Folders whose files are hashed, by the names that the device's configuration has for them. */
  hashRoots?: string[];
  /** Overrides of `runbooks/collectLogs.yaml`, within its limits. Durations such as `30 minutes`. */
  settings?: Partial<Record<CollectLogsSetting, string>>;
}

export const COLLECT_LOGS_SETTINGS = [
  'stepTimeout',
  'lookBack',
  'waitForDevice',
  'uploadFor',
] as const;
export type CollectLogsSetting = (typeof COLLECT_LOGS_SETTINGS)[number];

export interface CollectLogsRunbook {
  name: 'collectLogs';
  settings: Record<CollectLogsSetting, DurationSetting>;
  /** Of a bundle as it is uploaded; a larger one is refused before a byte of it is read. */
  maxBundleBytes: number;
  hashRoots: string[];
  /** Nobody, whoever deletes an object, can remove a version that has one. */
  legalHold: boolean;
}

/** Pinned by the first, recorded step. Durations in milliseconds. */
export interface CollectLogsPlan {
  thing: string;
  incident: string;
  reason: string;
  requestedBy: string;
  hashRoots: string[];
  maxBundleBytes: number;
  legalHold: boolean;
  stepTimeoutMs: number;
  /** How far back the cloud's metrics, alarms and logs are read. */
  lookBackMs: number;
  /** An offline device is waited for this long. */
  waitForDeviceMs: number;
  /** How long an upload URL works after the device was given it. */
  uploadForMs: number;
}

export type CollectLogsPhase = 'resolving' | 'cloud' | 'waiting' | 'receiving' | 'closed';

/** `partial`: something is missing, and the manifest says what. */
export type CollectLogsOutcome = 'collected' | 'partial' | 'cancelled';

export interface CollectLogsResult {
  thing: string;
  incident: string;
  outcome: CollectLogsOutcome;
  /** One sentence for a responder. */
  summary: string;
  /** Of what the device uploaded; null where nothing of it was kept. */
  bundle: { key: string; bytes: number; sha256: string } | null;
  /** What the device said of its bundle is what arrived; null where there is nothing to compare. */
  hashesMatch: boolean | null;
  /** What is missing, `what: why`. */
  missing: string[];
  /** For the record: `evidence verify --head` compares with it. Null where nothing was written. */
  head: ChainHead | null;
}
